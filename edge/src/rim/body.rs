//! Reading a body as it comes: never more of it is held than is wanted, for it may be endless, or unfold to
//! something that is.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use super::kv::describe;

#[wasm_bindgen]
extern "C" {
    /// A `ReadableStream` of bytes.
    pub(super) type Body;

    #[wasm_bindgen(method, js_name = getReader)]
    fn reader(this: &Body) -> BodyReader;

    type BodyReader;

    #[wasm_bindgen(method, catch)]
    async fn read(this: &BodyReader) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method)]
    fn cancel(this: &BodyReader) -> JsValue;

    type Chunk;

    #[wasm_bindgen(method, getter)]
    fn value(this: &Chunk) -> Option<Uint8Array>;
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

/// The whole of it, at most `max` bytes.
pub(super) async fn read(body: &Body, max: usize) -> Result<Vec<u8>, BodyError> {
    let mut reading = Reading { reader: body.reader(), is_over: false };
    let mut bytes = Vec::new();
    loop {
        let read = reading.reader.read().await;
        let chunk = read.inspect_err(|_| reading.is_over = true)?.unchecked_into::<Chunk>().value();
        let Some(chunk) = chunk else {
            reading.is_over = true;
            return Ok(bytes);
        };
        let (before, more) = (bytes.len(), chunk.length() as usize);
        if more > max - before {
            return Err(BodyError::TooLarge { max });
        }
        bytes.resize(before + more, 0);
        chunk.copy_to(&mut bytes[before..]);
    }
}
