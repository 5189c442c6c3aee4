//! An export as JSON Lines: a preface, the events, the checkpoints between them, and an end, so that a file
//! that was cut off is seen to be.
//!
//! Each line is canonical (RFC 8785). An event's less its `hash` and its `proof` is what it is hashed as.

use serde_json::{Value, json};

use super::{Exported, Preface, WriteError};
use crate::domain::audit::canonical;
use crate::domain::audit::merkle::Hash;

pub(super) fn preface(preface: &Preface) -> Result<Vec<u8>, WriteError> {
    let Preface { deployment, size, filter, checkpoint, .. } = preface;
    // Beside events that each have their proof, nothing would show it to be right.
    let (pruned, edge) = if preface.is_filtered() { (0, &[][..]) } else { (preface.pruned, &preface.edge[..]) };
    let line = json!({
        "keyward_audit_export": 1,
        "deployment": deployment,
        "size": size,
        "pruned": pruned,
        "edge": hexadecimal(edge),
        "filtered": preface.is_filtered(),
        "filter": filter,
        "checkpoint": checkpoint,
    });
    let mut text = Vec::new();
    add(&mut text, &line)?;
    Ok(text)
}

pub(super) fn events(events: &[Exported]) -> Result<Vec<u8>, WriteError> {
    let mut text = Vec::new();
    for Exported { event, proof, checkpoint } in events {
        let mut line = event.document.clone();
        line["hash"] = hex::encode(event.hash).into();
        if let Some(proof) = proof {
            line["proof"] = hexadecimal(proof);
        }
        add(&mut text, &line)?;
        if let Some(checkpoint) = checkpoint {
            add(&mut text, &json!({ "checkpoint": checkpoint }))?;
        }
    }
    Ok(text)
}

pub(super) fn end(events: u64) -> Result<Vec<u8>, WriteError> {
    let mut text = Vec::new();
    add(&mut text, &json!({ "end": true, "events": events }))?;
    Ok(text)
}

fn hexadecimal(hashes: &[Hash]) -> Value {
    hashes.iter().map(hex::encode).collect()
}

fn add(text: &mut Vec<u8>, line: &Value) -> Result<(), WriteError> {
    text.extend(canonical(line)?);
    text.push(b'\n');
    Ok(())
}
