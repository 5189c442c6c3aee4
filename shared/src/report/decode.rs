//! Reading a report: its size first, then its parts, each count against its bound before a byte of room
//! is made for it.

use sha2::{Digest as _, Sha256};

use super::{
    Applied, BY_STATUS, Body, Counter, Envelope, HELD_UP, Hitter, KIND, LANE_HTTP, LANE_KV, LOST, Lanes,
    MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_APPLIED, MAX_COUNTERS, MAX_HITTERS, MAX_LOCATION_BYTES, MAX_PEPPERS,
    MAX_REPORT_BYTES, MAX_SAMPLES, MAX_SOFTWARE_BYTES, MAX_USAGE, OtherUsage, RETIRING, RefusalKind, RefusedAddress,
    Report, ReportError, Sample, State, Usage, VERSION, is_time, is_visible,
};
use crate::fingerprint::{Fingerprint, PepperId};
use crate::snapshot::HeadOrder;
use crate::wire::Reader;

/// Kind and version, instance, sequence.
const FLAGS_AT: usize = 4 + 1 + 10 + 4;
const MIN_ADDRESS_BYTES: usize = 9;
const APPLIED_BYTES: usize = 24;
const COUNTER_BYTES: usize = 5;
const MIN_USAGE_BYTES: usize = 13;
const MIN_HITTER_BYTES: usize = 34;
const MIN_SAMPLE_BYTES: usize = 22;

impl Report {
    /// SHA-256 of a report's bytes, but for whether it was held up: one that comes again may have become that.
    pub fn digest(bytes: &[u8]) -> [u8; 32] {
        let mut bytes = bytes.to_vec();
        if let Some(flags) = bytes.get_mut(FLAGS_AT) {
            *flags &= !HELD_UP;
        }
        Sha256::digest(bytes).into()
    }

    /// Reads a report.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReportError> {
        if bytes.len() > MAX_REPORT_BYTES {
            return Err(ReportError::TooMany { what: "bytes", got: bytes.len(), max: MAX_REPORT_BYTES });
        }
        let reader = &mut Reader::new(bytes);
        let report = Self { envelope: read_envelope(reader)?, body: read_body(reader)? };
        match reader.rest().len() {
            0 => Ok(report),
            extra => Err(ReportError::Trailing { extra }),
        }
    }
}

fn read_envelope(reader: &mut Reader<'_>) -> Result<Envelope, ReportError> {
    let kind = reader.array()?;
    if kind != KIND {
        return Err(ReportError::Kind { got: kind });
    }
    let version = reader.u8()?;
    if version != VERSION {
        return Err(ReportError::Version { got: version });
    }
    let (instance, sequence) = (reader.array()?, reader.u32()?);
    let flags = reader.u8()?;
    if flags & !(LOST | HELD_UP) != 0 {
        return Err(ReportError::Meaningless { what: "flags" });
    }
    let (lost, held_up) = (flags & LOST != 0, flags & HELD_UP != 0);
    let location = read_text(reader, "location", MAX_LOCATION_BYTES)?;
    let count = usize::from(reader.u8()?);
    let addresses = read_list(reader, "addresses", count, MAX_ADDRESSES, MIN_ADDRESS_BYTES, |reader| {
        let (count, error) = (reader.u32()?, reader.u32()?);
        Ok(Some(RefusedAddress { count, error, address: read_text(reader, "address", MAX_ADDRESS_BYTES)? }))
    })?;
    Ok(Envelope { instance, sequence, lost, held_up, location, addresses })
}

fn read_body(reader: &mut Reader<'_>) -> Result<Body, ReportError> {
    let (since, until) = (reader.u64()?, reader.u64()?);
    if since > until {
        return Err(ReportError::Meaningless { what: "times" });
    }
    read_time(until)?;
    let lanes = reader.u8()?;
    if lanes & !(LANE_KV | LANE_HTTP) != 0 {
        return Err(ReportError::Meaningless { what: "lanes" });
    }
    let lanes = Lanes { kv: lanes & LANE_KV != 0, http: lanes & LANE_HTTP != 0 };
    let state = State::ALL.get(usize::from(reader.u8()?)).ok_or(ReportError::Meaningless { what: "state" })?;
    let software = read_text(reader, "software", MAX_SOFTWARE_BYTES)?;
    let count = usize::from(reader.u8()?);
    let peppers =
        read_list(reader, "peppers", count, MAX_PEPPERS, 8, |reader| Ok(Some(PepperId::from_u64(reader.u64()?))))?;
    let held = HeadOrder { epoch: reader.u64()?, generation: reader.u64()?, issued_at: reader.u64()? };
    let count = usize::from(reader.u8()?);
    let applied = read_list(reader, "applied", count, MAX_APPLIED, APPLIED_BYTES, |reader| {
        Ok(Some(Applied { epoch: reader.u64()?, generation: reader.u64()?, at: read_time(reader.u64()?)? }))
    })?;
    if !applied.is_sorted_by_key(Applied::order) {
        return Err(ReportError::Meaningless { what: "applied order" });
    }
    let count = usize::from(reader.u8()?);
    let counters = read_list(reader, "counters", count, MAX_COUNTERS, COUNTER_BYTES, |reader| {
        let (code, count) = (reader.u8()?, reader.u32()?);
        Ok(Counter::from_code(code).map(|counter| (counter, count)))
    })?;
    let count = usize::from(reader.u16()?);
    let usage = read_list(reader, "usage", count, MAX_USAGE, MIN_USAGE_BYTES, |reader| read_usage(reader).map(Some))?;
    let others = OtherUsage {
        secrets: reader.u32()?,
        calls: reader.u64()?,
        refused: reader.u64()?,
        last: read_time(reader.u64()?)?,
        retiring: reader.u64()?,
    };
    let count = usize::from(reader.u8()?);
    let hitters = read_list(reader, "hitters", count, MAX_HITTERS, MIN_HITTER_BYTES, read_hitter)?;
    let count = usize::from(reader.u8()?);
    let samples = read_list(reader, "samples", count, MAX_SAMPLES, MIN_SAMPLE_BYTES, read_sample)?;
    let nothing = HeadOrder { epoch: 0, generation: 0, issued_at: 0 };
    Ok(Body {
        since,
        until,
        lanes,
        state: *state,
        software,
        peppers,
        held: (held != nothing).then_some(held),
        applied,
        counters,
        usage,
        others,
        hitters,
        samples,
    })
}

fn read_usage(reader: &mut Reader<'_>) -> Result<Usage, ReportError> {
    let fingerprint = reader.array()?;
    let flags = reader.u8()?;
    if flags & !(RETIRING | BY_STATUS) != 0 {
        return Err(ReportError::Meaningless { what: "usage flags" });
    }
    let few = |number: u64| u32::try_from(number).map_err(|_| ReportError::Meaningless { what: "calls" });
    Ok(Usage {
        fingerprint,
        retiring: flags & RETIRING != 0,
        refused_by_status: flags & BY_STATUS != 0,
        calls: few(read_varint(reader)?)?,
        refused: few(read_varint(reader)?)?,
        last_ago: read_varint(reader)?,
        first_denied_ago: Some(read_varint(reader)?).filter(|ago| *ago > 0),
    })
}

fn read_hitter(reader: &mut Reader<'_>) -> Result<Option<Hitter>, ReportError> {
    let fingerprint = Fingerprint::from_bytes(reader.array()?);
    let refusal = RefusalKind::from_code(reader.u8()?);
    let (count, error) = (reader.u32()?, reader.u32()?);
    let (first, last) = (reader.u32()?, reader.u32()?);
    let last_ago = read_varint(reader)?;
    Ok(refusal.map(|refusal| Hitter { fingerprint, refusal, count, error, first, last, last_ago }))
}

fn read_sample(reader: &mut Reader<'_>) -> Result<Option<Sample>, ReportError> {
    let ordinal = reader.u32()?;
    let refusal = RefusalKind::from_code(reader.u8()?);
    let fingerprint: [u8; Fingerprint::LEN] = reader.array()?;
    let fingerprint = (fingerprint != [0; Fingerprint::LEN]).then(|| Fingerprint::from_bytes(fingerprint));
    let ago = read_varint(reader)?;
    Ok(refusal.map(|refusal| Sample { ordinal, refusal, fingerprint, ago }))
}

/// `count` entries of at least `bytes` each; those that `read` gives as none are left out.
fn read_list<T>(
    reader: &mut Reader<'_>,
    what: &'static str,
    count: usize,
    max: usize,
    bytes: usize,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<Option<T>, ReportError>,
) -> Result<Vec<T>, ReportError> {
    if count > max {
        return Err(ReportError::TooMany { what, got: count, max });
    }
    if reader.rest().len() < count * bytes {
        return Err(ReportError::Meaningless { what });
    }
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        list.extend(read(reader)?);
    }
    Ok(list)
}

fn read_text(reader: &mut Reader<'_>, what: &'static str, max: usize) -> Result<String, ReportError> {
    let text = reader.short()?;
    if text.len() > max {
        return Err(ReportError::TooMany { what, got: text.len(), max });
    }
    let visible = str::from_utf8(text).ok().filter(|text| is_visible(text.as_bytes()));
    visible.map(str::to_owned).ok_or(ReportError::Meaningless { what })
}

const fn read_time(milliseconds: u64) -> Result<u64, ReportError> {
    if is_time(milliseconds) { Ok(milliseconds) } else { Err(ReportError::Meaningless { what: "times" }) }
}

/// LEB128, written in as few bytes as the number takes, at most 64 bits.
fn read_varint(reader: &mut Reader<'_>) -> Result<u64, ReportError> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = reader.u8()?;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            if byte == 0 && shift > 0 {
                break;
            }
            return Ok(number);
        }
    }
    Err(ReportError::Meaningless { what: "number" })
}
