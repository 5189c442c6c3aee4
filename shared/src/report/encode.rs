//! Writing a report. What its reader would refuse is refused here.

use super::{
    Applied, BY_STATUS, Body, Envelope, HELD_UP, KIND, LANE_HTTP, LANE_KV, LOST, MAX_ADDRESS_BYTES, MAX_ADDRESSES,
    MAX_APPLIED, MAX_COUNTERS, MAX_HITTERS, MAX_LOCATION_BYTES, MAX_PEPPERS, MAX_SAMPLES, MAX_SOFTWARE_BYTES,
    MAX_USAGE, RETIRING, Report, ReportError, VERSION, is_time, is_visible,
};
use crate::wire::Write as _;

impl Report {
    /// Its bytes.
    pub fn encode(&self) -> Result<Vec<u8>, ReportError> {
        let mut out = self.envelope.encode()?;
        self.body.encode(&mut out)?;
        Ok(out)
    }
}

impl Envelope {
    fn encode(&self) -> Result<Vec<u8>, ReportError> {
        let mut out = Vec::new();
        out.put(&KIND);
        out.push(VERSION);
        out.put(&self.instance);
        out.put(&self.sequence.to_be_bytes());
        out.push((u8::from(self.lost) * LOST) | (u8::from(self.held_up) * HELD_UP));
        put_text(&mut out, "location", &self.location, MAX_LOCATION_BYTES)?;
        put_count(&mut out, "addresses", self.addresses.len(), MAX_ADDRESSES)?;
        for address in &self.addresses {
            out.put(&address.count.to_be_bytes());
            out.put(&address.error.to_be_bytes());
            put_text(&mut out, "address", &address.address, MAX_ADDRESS_BYTES)?;
        }
        Ok(out)
    }
}

impl Body {
    /// Appends its bytes.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), ReportError> {
        let put_u64 = |out: &mut Vec<u8>, number: u64| out.put(&number.to_be_bytes());
        let put_u32 = |out: &mut Vec<u8>, number: u32| out.put(&number.to_be_bytes());
        let mut times = self.applied.iter().map(|applied| applied.at).chain([self.until, self.others.last]);
        if self.since > self.until || !times.all(is_time) {
            return Err(ReportError::Meaningless { what: "times" });
        }
        if !self.applied.is_sorted_by_key(Applied::order) {
            return Err(ReportError::Meaningless { what: "applied order" });
        }
        put_u64(out, self.since);
        put_u64(out, self.until);
        out.push((u8::from(self.lanes.kv) * LANE_KV) | (u8::from(self.lanes.http) * LANE_HTTP));
        out.push(self.state as u8);
        put_text(out, "software", &self.software, MAX_SOFTWARE_BYTES)?;
        put_count(out, "peppers", self.peppers.len(), MAX_PEPPERS)?;
        for pepper in &self.peppers {
            put_u64(out, pepper.as_u64());
        }
        for number in self.held.map_or([0; 3], |held| [held.epoch, held.generation, held.issued_at]) {
            put_u64(out, number);
        }
        put_count(out, "applied", self.applied.len(), MAX_APPLIED)?;
        for applied in &self.applied {
            for number in [applied.epoch, applied.generation, applied.at] {
                put_u64(out, number);
            }
        }
        put_count(out, "counters", self.counters.len(), MAX_COUNTERS)?;
        for (counter, count) in &self.counters {
            out.push(counter.code());
            put_u32(out, *count);
        }
        within("usage", self.usage.len(), MAX_USAGE)?;
        out.put(&u16::try_from(self.usage.len()).unwrap_or(u16::MAX).to_be_bytes());
        for usage in &self.usage {
            out.put(&usage.fingerprint);
            out.push((u8::from(usage.retiring) * RETIRING) | (u8::from(usage.refused_by_status) * BY_STATUS));
            for number in [usage.calls.into(), usage.refused.into(), usage.last_ago] {
                put_varint(out, number);
            }
            put_varint(out, usage.first_denied_ago.map_or(0, |ago| ago.max(1)));
        }
        let others = &self.others;
        put_u32(out, others.secrets);
        for number in [others.calls, others.refused, others.last, others.retiring] {
            put_u64(out, number);
        }
        put_count(out, "hitters", self.hitters.len(), MAX_HITTERS)?;
        for hitter in &self.hitters {
            out.put(hitter.fingerprint.as_bytes());
            out.push(hitter.refusal.code());
            for number in [hitter.count, hitter.error, hitter.first, hitter.last] {
                put_u32(out, number);
            }
            put_varint(out, hitter.last_ago);
        }
        put_count(out, "samples", self.samples.len(), MAX_SAMPLES)?;
        for sample in &self.samples {
            put_u32(out, sample.ordinal);
            out.push(sample.refusal.code());
            out.put(sample.fingerprint.as_ref().map_or(&[0; 16], |fingerprint| fingerprint.as_bytes()));
            put_varint(out, sample.ago);
        }
        Ok(())
    }
}

const fn within(what: &'static str, got: usize, max: usize) -> Result<(), ReportError> {
    if got > max { Err(ReportError::TooMany { what, got, max }) } else { Ok(()) }
}

fn put_count(out: &mut Vec<u8>, what: &'static str, got: usize, max: usize) -> Result<(), ReportError> {
    within(what, got, max)?;
    out.push(u8::try_from(got).unwrap_or(u8::MAX));
    Ok(())
}

fn put_text(out: &mut Vec<u8>, what: &'static str, text: &str, max: usize) -> Result<(), ReportError> {
    within(what, text.len(), max)?;
    if !is_visible(text.as_bytes()) {
        return Err(ReportError::Meaningless { what });
    }
    out.put_short(text.as_bytes());
    Ok(())
}

/// LEB128: seven bits a byte, the least significant first, the top bit set where more follow.
fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}
