//! The OpenAPI document and its page, read by others.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use keyward_tests::Stack;
use keyward_tests::clients::{python, run};
use xtask::setup;

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("openapi_spec_validator_finds_nothing", validator),
        Test::shared("spectral_finds_nothing", spectral),
        Test::shared("the_page_needs_no_token_and_no_other_host", page),
    ]
}

/// The document as it is served, in a file of this test's own.
fn document(stack: &Stack, name: &str) -> Result<std::path::PathBuf> {
    let answer = stack.stranger().get("/openapi.json")?.must_be(200)?;
    let path = stack.folder().join(name);
    fs::write(&path, answer.text()).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

fn validator(stack: &Stack) -> Result<()> {
    let path = document(stack, "openapi-validator.json")?;
    run(python()?.args(["-m", "openapi_spec_validator"]).arg(path))?;
    Ok(())
}

fn spectral(stack: &Stack) -> Result<()> {
    let path = document(stack, "openapi-spectral.json")?;
    let mut lint = Command::new(setup::npm_program("spectral"));
    setup::with_npm_programs(&mut lint)
        .current_dir(xtask::workspace::root())
        .args(["lint", "--ruleset", "tests/spectral.yaml", "--fail-severity", "hint"])
        .arg(path);
    run(&mut lint)?;
    Ok(())
}

fn page(stack: &Stack) -> Result<()> {
    let page = stack.stranger().get("/docs")?.must_be(200)?;
    let html = page.text();
    ensure!(html.contains("<details id=\"create_key\">"), "{html}");
    for from_elsewhere in ["<script", "<link", "<img", "src=", "http://", "https://"] {
        ensure!(!html.contains(from_elsewhere), "{from_elsewhere} is on the page");
    }
    Ok(())
}
