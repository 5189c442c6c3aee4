//! How lines are brought, and what each came to.

use keyward_control_plane::domain::edit::Edit;
use keyward_control_plane::lifecycle::{ImportBatch, ImportFields, ImportLine, ImportedBatch, ImportedSecret};
use zeroize::Zeroizing;

use super::{Outcome, code, expiry, named, restrictions, run, sha256};
use crate::house::House;
use crate::model::operation::{Line, Named, Told, key_name, secret, slug};
use crate::model::truth::Truth;

pub(super) async fn perform(lines: &[Line], truth: &Truth, house: &House) -> Outcome {
    let lines: Vec<ImportLine> = lines.iter().map(|line| read(line, truth, house)).collect();
    run(house, ImportBatch { lines: lines.into() }, |batch| tell(&batch)).await
}

fn read(line: &Line, truth: &Truth, house: &House) -> ImportLine {
    let says = &line.says;
    let fields = ImportFields {
        external_id: line.external.to_string(),
        workspace: match line.workspace {
            Named::Id(at) => truth.workspaces[at].id.to_string(),
            Named::Slug(number) => slug(number),
        },
        name: key_name(says.name.expect("a line says it")),
        access: says.access.expect("a line says it"),
        apis: named(says.apis.expect("a line says it")),
        member: says.member.map(|at| truth.members[at].id.to_string()),
        disabled: line.disabled,
        created_at: None,
        expires_at: expiry(says, house),
        restrictions: restrictions(says),
        metadata: Edit::Keep,
        secret: if line.is_clear {
            ImportedSecret::Clear(Zeroizing::new(secret(line.secret).expose().to_owned()))
        } else {
            ImportedSecret::Sha256(sha256(line.secret))
        },
    };
    house.lifecycle.import_line(fields, house.line_entropy(), house.now()).expect("a line that can be read")
}

fn tell(batch: &ImportedBatch) -> Told {
    let lines = batch.lines.iter();
    Told::Imported(lines.map(|line| line.as_ref().map(|line| (line.key, line.outcome)).map_err(code)).collect())
}
