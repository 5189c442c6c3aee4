//! Requests that are made from the OpenAPI document: valid ones are taken, others refused, and every
//! answer is as the document says.

use std::fs;

use anyhow::Result;
use keyward_tests::clients::{python, run};
use keyward_tests::{Options, Stack};

use crate::{Depth, Test};

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::alone("schemathesis_finds_no_failure", schemathesis).slow()]
}

fn schemathesis() -> Result<()> {
    let examples = if Depth::wanted() == Depth::Long { "300" } else { "8" };
    let stack = Stack::start(&Options::default())?;
    let token = fs::read_to_string(stack.control_plane().secret("operator-token"))?;
    let edge_credential = fs::read_to_string(stack.control_plane().secret("edge-credential"))?;
    let mut command = python()?;
    command
        .env("KEYWARD_EDGE_CREDENTIAL", edge_credential.trim())
        .env("KEYWARD_TOKEN", token.trim())
        .env("KEYWARD_URL", stack.control_plane_url())
        .args(["-m", "schemathesis.cli", "--no-color", "--config-file", "tests/python/schemathesis.toml", "run"])
        .arg(format!("{}/openapi.json", stack.control_plane_url()))
        .args(["--checks", "all", "--max-examples", examples]);
    run(&mut command)?;
    Ok(())
}
