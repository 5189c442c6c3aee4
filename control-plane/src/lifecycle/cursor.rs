//! Pages of lists: how many entries, from where on, and the opaque text that says so.
//!
//! A cursor is bound to the list it came from: its filters and its order.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Refusal;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::query::SortValue;
use crate::domain::limits::{PAGE_DEFAULT, PAGE_MAX};

/// Which part of a list is asked for, not yet judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// How many entries.
    pub limit: Option<u64>,
    /// The cursor of the page before.
    pub cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

/// A place in a list: behind the entry with this value and this identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) value: SortValue,
    pub(super) id: u64,
}

/// Names a list by what it is of, its filters and its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListTag(String);

const FORM: u8 = 1;
const LONGEST: usize = 2_048;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    v: u8,
    l: String,
    k: SortValue,
    i: u64,
}

impl Page {
    /// How many entries the page is to have.
    pub(super) fn limit(&self) -> Result<u16, Invalid> {
        let limit = self.limit.unwrap_or(u64::from(PAGE_DEFAULT));
        u16::try_from(limit)
            .ok()
            .filter(|limit| (1..=PAGE_MAX).contains(limit))
            .ok_or_else(|| Invalid::new("limit", Fault::OutOfRange, format!("1 to {PAGE_MAX}")))
    }

    /// Where the page begins.
    pub(super) fn position(&self, tag: &ListTag) -> Result<Option<Position>, Refusal> {
        let Some(text) = &self.cursor else {
            return Ok(None);
        };
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            let cursor: Cursor = serde_json::from_slice(&bytes).ok()?;
            (cursor.v == FORM && cursor.l == tag.0).then_some(Position { value: cursor.k, id: cursor.i })
        };
        if text.len() > LONGEST {
            return Err(Refusal::BadCursor);
        }
        read().map(Some).ok_or(Refusal::BadCursor)
    }
}

impl ListTag {
    /// The tag of a list of `kind` narrowed and ordered as `query` says.
    pub(super) fn new(kind: &str, query: &impl Serialize) -> Result<Self, Refusal> {
        let query = serde_json::to_vec(query).map_err(|_| Refusal::BadCursor)?;
        let hash = Sha256::new().chain_update(kind).chain_update([0]).chain_update(query).finalize();
        Ok(Self(hex::encode(&hash[..8])))
    }
}

impl<T> Listed<T> {
    /// A page from up to one entry more than `limit`, which says that there is a next page.
    pub(super) fn new(
        mut items: Vec<T>,
        limit: u16,
        tag: &ListTag,
        position: impl Fn(&T) -> Position,
    ) -> Result<Self, Refusal> {
        let limit = usize::from(limit);
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => {
                let Position { value, id } = position(last);
                let cursor = Cursor { v: FORM, l: tag.0.clone(), k: value, i: id };
                let json = serde_json::to_vec(&cursor).map_err(|_| Refusal::BadCursor)?;
                Some(URL_SAFE_NO_PAD.encode(json))
            }
            None => None,
        };
        Ok(Self { items, next_cursor })
    }

    /// The same page of something else.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Listed<U> {
        Listed { items: self.items.into_iter().map(convert).collect(), next_cursor: self.next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(query: &str) -> ListTag {
        ListTag::new("numbers", &query).expect("a tag")
    }

    fn position(id: u64) -> Position {
        Position { value: SortValue::Millis(7), id }
    }

    #[test]
    fn a_cursor_leads_to_the_place_it_was_made_for() {
        let listed = Listed::new(vec![1, 2, u64::MAX, 4], 3, &tag("a"), |id| position(*id)).expect("a page");
        assert_eq!(listed.items, [1, 2, u64::MAX]);
        let page = Page { limit: None, cursor: listed.next_cursor };
        assert!(page.position(&tag("a")).is_ok_and(|found| found == Some(position(u64::MAX))));
        assert!(matches!(page.position(&tag("b")), Err(Refusal::BadCursor)));
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let listed = Listed::new(vec![1, 2, 3], 3, &tag("a"), |id| position(*id)).expect("a page");
        assert_eq!(listed.next_cursor, None);
    }

    #[test]
    fn anything_else_is_no_cursor() {
        for text in ["", "x", "e30", "{}", &"A".repeat(4096)] {
            let page = Page { limit: None, cursor: Some(text.to_owned()) };
            assert!(matches!(page.position(&tag("a")), Err(Refusal::BadCursor)), "{text}");
        }
    }

    #[test]
    fn a_page_has_1_to_200_entries() {
        let limit = |limit| Page { limit, cursor: None }.limit();
        assert_eq!(limit(None), Ok(50));
        assert_eq!(limit(Some(200)), Ok(200));
        assert!(limit(Some(0)).is_err());
        assert!(limit(Some(201)).is_err());
    }
}
