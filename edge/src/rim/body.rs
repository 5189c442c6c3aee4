//! Reading a body as it comes: never more of it is held than is wanted, for it may be endless, or unfold to
//! something that is.

use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

use super::kv::describe;

/// Bytes that are read at once.
const PART: u32 = 16 * 1024;

#[wasm_bindgen]
extern "C" {
    /// A `ReadableStream` of bytes.
    pub(super) type Body;

    #[wasm_bindgen(method, js_name = getReader)]
    fn reader(this: &Body, options: &Object) -> BodyReader;

    type BodyReader;

    #[wasm_bindgen(method, catch)]
    async fn read(this: &BodyReader, into: &Uint8Array) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method)]
    fn cancel(this: &BodyReader) -> JsValue;

    type Part;

    #[wasm_bindgen(method, getter)]
    fn value(this: &Part) -> Option<Uint8Array>;
}

/// Why a body was not had.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// It broke off.
    #[error("{0}")]
    Read(String),
    /// It is larger than wanted.
    #[error("more than {max} bytes")]
    TooLarge { max: usize },
}

impl From<JsValue> for BodyError {
    fn from(error: JsValue) -> Self {
        Self::Read(describe(&error))
    }
}

/// A body that is being read. Where its reader goes away before its end, it is ended: what still comes would
/// be kept for nobody.
struct Reading {
    reader: BodyReader,
    is_over: bool,
}

impl Drop for Reading {
    fn drop(&mut self) {
        if !self.is_over {
            self.reader.cancel();
        }
    }
}

/// The whole of it, at most `max` bytes. All parts are read into one place, one after the other: each in a place
/// of its own would be left behind for a collection.
pub(super) async fn read(body: &Body, max: usize) -> Result<Vec<u8>, BodyError> {
    let options = Object::new();
    Reflect::set(&options, &"mode".into(), &"byob".into())?;
    let mut reading = Reading { reader: body.reader(&options), is_over: false };
    let mut bytes = Vec::new();
    let mut into = Uint8Array::new_with_length(PART);
    loop {
        let read = reading.reader.read(&into).await;
        let part = read.inspect_err(|_| reading.is_over = true)?.unchecked_into::<Part>().value();
        let Some(part) = part.filter(|part| part.length() > 0) else {
            reading.is_over = true;
            return Ok(bytes);
        };
        let (before, more) = (bytes.len(), part.length() as usize);
        if more > max - before {
            return Err(BodyError::TooLarge { max });
        }
        bytes.resize(before + more, 0);
        part.copy_to(&mut bytes[before..]);
        into = Uint8Array::new(&part.buffer());
    }
}
