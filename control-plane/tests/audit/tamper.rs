//! What somebody with the database may do to the log.

use ed25519_dalek::SigningKey;
use keyward_control_plane::domain::audit::checkpoint::{Checkpoint, origin};
use keyward_control_plane::domain::audit::merkle::Hash;
use keyward_control_plane::domain::audit::{hash, note};
use keyward_control_plane::store::audit::StoredCheckpoint;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::chance::Chance;
use crate::kept_log::{DEPLOYMENT, EDGE_OF_DOUBLES, KeptLog, put, rewrite, run, signing_key};

/// A way to tamper with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A column of an event, by itself.
    Column,
    /// Anything within an event, its hash left as it was.
    Content,
    /// The same with the right hash.
    ContentAndHash,
    /// The same with the tree's leaf.
    ContentAndLeaf,
    /// The same with all of the tree.
    ContentAndTree,
    /// Another text that reads the same.
    Spelling,
    /// The hash of an event.
    HashOfEvent,
    /// A leaf of the tree.
    Leaf,
    /// A node of the tree above the leaves.
    Node,
    /// A node that no tree of this size has.
    NodeTooMany,
    /// An event taken out.
    Delete,
    /// The same with its hash.
    DeleteAndLeaf,
    /// The same, all behind it renumbered and the tree made anew.
    DeleteAndTree,
    /// An event put in where no event is.
    InsertBeyond,
    /// An event put in between, all behind it renumbered and the tree made anew.
    InsertAndTree,
    /// Two events that changed places.
    Swap,
    /// The same, the tree made anew.
    SwapAndTree,
    /// The newest events taken out.
    Cut,
    /// The same, counters and tree made anew.
    CutAndTree,
    /// The same, and what was signed of them forgotten.
    CutAndCheckpoints,
    /// All events from one on written anew with right hashes and tree.
    Rewrite,
    /// The same, and roots beside the notes made right.
    RewriteAndRoots,
    /// The same, and signed by somebody else.
    RewriteAndSign,
    /// The same, and signed with the deployment's own key.
    RewriteAndSignAsOurs,
    /// The same, and what was signed of them forgotten.
    RewriteAndCheckpoints,
    /// A checkpoint's row.
    CheckpointRow,
    /// The oldest events taken out as if they had been pruned.
    Prune,
    /// The same, and an event that says so, with a checkpoint that is of others.
    PruneAndTell,
    /// Which incarnation the log is said to be.
    Incarnation,
    /// The count of events.
    Counter,
    /// The tree's size.
    Size,
    /// The hours and seconds by which events are found.
    Hour,
    /// What an event is found by.
    Search,
}

impl Kind {
    pub(crate) const ALL: [Self; 33] = [
        Self::Column,
        Self::Content,
        Self::ContentAndHash,
        Self::ContentAndLeaf,
        Self::ContentAndTree,
        Self::Spelling,
        Self::HashOfEvent,
        Self::Leaf,
        Self::Node,
        Self::NodeTooMany,
        Self::Delete,
        Self::DeleteAndLeaf,
        Self::DeleteAndTree,
        Self::InsertBeyond,
        Self::InsertAndTree,
        Self::Swap,
        Self::SwapAndTree,
        Self::Cut,
        Self::CutAndTree,
        Self::CutAndCheckpoints,
        Self::Rewrite,
        Self::RewriteAndRoots,
        Self::RewriteAndSign,
        Self::RewriteAndSignAsOurs,
        Self::RewriteAndCheckpoints,
        Self::CheckpointRow,
        Self::Prune,
        Self::PruneAndTell,
        Self::Incarnation,
        Self::Counter,
        Self::Size,
        Self::Hour,
        Self::Search,
    ];

    /// Whether the log that it leaves is whole in itself, so that only somebody who kept a checkpoint
    /// elsewhere can tell.
    pub(crate) const fn hides(self) -> bool {
        matches!(self, Self::CutAndCheckpoints | Self::RewriteAndSignAsOurs | Self::RewriteAndCheckpoints)
    }

    /// Whether it is found by the event itself and by no other.
    pub(crate) const fn is_named(self) -> bool {
        matches!(
            self,
            Self::Column
                | Self::Content
                | Self::ContentAndHash
                | Self::Spelling
                | Self::HashOfEvent
                | Self::Leaf
                | Self::Delete
                | Self::DeleteAndLeaf
                | Self::InsertBeyond
                | Self::Cut
                | Self::CutAndTree
                | Self::Search
                | Self::PruneAndTell
        )
    }

    /// Does it, and tells the first event that it is about.
    pub(crate) async fn apply(self, log: &KeptLog, connection: &mut SqliteConnection, chance: &mut Chance) -> i64 {
        let size = log.size();
        let seq = chance.between(1, size);
        let at = usize::try_from(seq - 1).unwrap();
        let mut documents: Vec<Value> = log.events.iter().map(|event| event.document.clone()).collect();
        let told = log.events[at].hash;
        match self {
            Self::Column => column(connection, chance, seq).await,
            Self::Content | Self::ContentAndHash | Self::ContentAndLeaf => {
                edit(&mut documents[at], chance);
                let right = hash(&documents[at]).unwrap();
                put(connection, &documents[at], if self == Self::Content { told } else { right }).await;
                if self == Self::ContentAndLeaf {
                    node(connection, 2 * (seq - 1), right).await;
                }
            }
            Self::ContentAndTree => {
                edit(&mut documents[at], chance);
                rewrite(connection, &documents).await;
            }
            Self::Spelling => spell(connection, chance, seq).await,
            Self::HashOfEvent => {
                let hash = hex::encode(other(told, chance));
                run(connection, format!("UPDATE audit_event SET hash = x'{hash}' WHERE seq = {seq}")).await;
            }
            Self::Leaf => node(connection, 2 * (seq - 1), other(told, chance)).await,
            Self::Node => return inner_node(connection, chance, size).await,
            Self::NodeTooMany => node(connection, 4 * size + chance.between(0, 999), told).await,
            Self::Delete | Self::DeleteAndLeaf => {
                run(connection, format!("DELETE FROM audit_event WHERE seq = {seq}")).await;
                if self == Self::DeleteAndLeaf {
                    run(connection, format!("DELETE FROM audit_node WHERE place = {}", 2 * (seq - 1))).await;
                }
            }
            Self::DeleteAndTree => {
                documents.remove(at);
                rewrite(connection, &documents).await;
            }
            Self::InsertBeyond => return insert_beyond(connection, chance, size).await,
            Self::InsertAndTree => {
                let mut forged = documents[usize::try_from(chance.between(0, size - 1)).unwrap()].clone();
                edit(&mut forged, chance);
                documents.insert(at, forged);
                rewrite(connection, &documents).await;
            }
            Self::Swap | Self::SwapAndTree => {
                let with = (seq + chance.between(0, size - 2)) % size + 1;
                let first = seq.min(with);
                if self == Self::SwapAndTree {
                    documents.swap(at, usize::try_from(with - 1).unwrap());
                    rewrite(connection, &documents).await;
                } else {
                    swap(connection, seq, with).await;
                }
                return first.cast_signed();
            }
            Self::Cut => run(connection, format!("DELETE FROM audit_event WHERE seq >= {seq}")).await,
            Self::CutAndTree | Self::CutAndCheckpoints => {
                rewrite(connection, &documents[..at]).await;
                if self == Self::CutAndCheckpoints {
                    forget_checkpoints(connection, seq).await;
                }
            }
            Self::Rewrite
            | Self::RewriteAndRoots
            | Self::RewriteAndSign
            | Self::RewriteAndSignAsOurs
            | Self::RewriteAndCheckpoints => {
                for document in &mut documents[at..] {
                    edit(document, chance);
                }
                let roots = rewrite(connection, &documents).await;
                self.restate(log, connection, &roots, seq).await;
            }
            Self::CheckpointRow => return checkpoint_row(log, connection, chance).await,
            Self::Prune => {
                // The tree stays, as it does when pruning is told.
                let through = seq.min(size - 1);
                let sql =
                    format!("DELETE FROM audit_event WHERE seq <= {through}; UPDATE audit_log SET pruned = {through}");
                run(connection, sql).await;
            }
            Self::PruneAndTell => return prune(log, connection, chance, documents, seq.min(size - 1)).await,
            Self::Counter | Self::Size | Self::Incarnation => self.miscount(connection, chance, size).await,
            Self::Hour => hour(connection, chance).await,
            Self::Search => {
                let sql = chance.among(&[
                    "DELETE FROM audit_search WHERE rowid = ",
                    "UPDATE audit_search SET facets = 'of another', words = '' WHERE rowid = ",
                ]);
                run(connection, format!("{sql}{seq}")).await;
            }
        }
        seq.cast_signed()
    }

    /// Writes another number where the log is counted, or named.
    async fn miscount(self, connection: &mut SqliteConnection, chance: &mut Chance, size: u64) {
        let (column, others) = match self {
            Self::Counter => ("counter SET audit_seq", [size + 1, size - 1, 0, 1 << 40]),
            Self::Size => ("audit_log SET size", [size + 1, size - 1, 0, 1 << 40]),
            _ => ("audit_log SET incarnation", [0, 2, 7, u64::from(u32::MAX)]),
        };
        run(connection, format!("UPDATE {column} = {}", chance.among(&others))).await;
    }

    /// Makes what was signed fit to the roots of a log that was written anew from `seq` on.
    async fn restate(self, log: &KeptLog, connection: &mut SqliteConnection, roots: &[Hash], seq: u64) {
        let key = match self {
            Self::RewriteAndSign => Some(SigningKey::from_bytes(&[9; 32])),
            Self::RewriteAndSignAsOurs => Some(signing_key()),
            _ => None,
        };
        if self == Self::RewriteAndCheckpoints {
            forget_checkpoints(connection, seq).await;
        }
        if self == Self::Rewrite || self == Self::RewriteAndCheckpoints {
            return;
        }
        for StoredCheckpoint { size, at, note, .. } in log.checkpoints.iter().filter(|kept| kept.size >= seq) {
            let root = roots[usize::try_from(size - 1).unwrap()];
            let origin = origin(DEPLOYMENT, 1);
            let text = Checkpoint { origin: origin.clone(), size: *size, root, at: *at }.text();
            let note = key.as_ref().map_or(Some(note.clone()), |key| note::sign(&text, &origin, key)).unwrap();
            sqlx::query("UPDATE audit_checkpoint SET root = ?1, note = ?2 WHERE size = ?3")
                .bind(&root[..])
                .bind(note)
                .bind(size.cast_signed())
                .execute(&mut *connection)
                .await
                .unwrap();
        }
    }
}

async fn swap(connection: &mut SqliteConnection, one: u64, other: u64) {
    let sql = format!(
        "UPDATE audit_event SET seq = -1 WHERE seq = {one};
         UPDATE audit_event SET seq = {one} WHERE seq = {other};
         UPDATE audit_event SET seq = {other} WHERE seq = -1"
    );
    run(connection, sql).await;
}

async fn forget_checkpoints(connection: &mut SqliteConnection, from: u64) {
    run(connection, format!("DELETE FROM audit_checkpoint WHERE size >= {from}")).await;
}

/// Another hash, by one bit.
fn other(mut hash: Hash, chance: &mut Chance) -> Hash {
    let bit = chance.next();
    hash[usize::try_from(bit / 8 % 32).unwrap()] ^= 1 << (bit % 8);
    hash
}

async fn node(connection: &mut SqliteConnection, place: u64, hash: Hash) {
    let hash = hex::encode(hash);
    run(connection, format!("INSERT OR REPLACE INTO audit_node (place, hash) VALUES ({place}, x'{hash}')")).await;
}

/// Copies an event to where none is; tells which number it has there.
async fn insert_beyond(connection: &mut SqliteConnection, chance: &mut Chance, size: u64) -> i64 {
    let seq = chance.among(&[size.cast_signed() + 1, 0, -5, 1 << 40, i64::MAX]);
    let from = chance.between(1, size);
    let rest = "at, actor_kind, actor_id, actor_name, actor_ip, on_behalf_of, action, entity, target_id, \
                target_name, workspace_id, team_id, actor_team_ids, reason, details, request_id, generation, hash";
    let sql = format!("INSERT INTO audit_event (seq, {rest}) SELECT {seq}, {rest} FROM audit_event WHERE seq = {from}");
    run(connection, sql).await;
    seq
}

/// A node above the leaves, changed or taken out; tells the first event that it is over.
async fn inner_node(connection: &mut SqliteConnection, chance: &mut Chance, size: u64) -> i64 {
    let wanted = chance.between(0, size / 2 - 1);
    let place: i64 = sqlx::query_scalar("SELECT place FROM audit_node WHERE place % 2 = 1 LIMIT 1 OFFSET ?1")
        .bind(wanted.cast_signed())
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    let sql = chance.among(&[
        "UPDATE audit_node SET hash = zeroblob(32) WHERE place = ",
        "DELETE FROM audit_node WHERE place = ",
        "UPDATE audit_node SET hash = (SELECT hash FROM audit_node WHERE place = 0) WHERE place = ",
    ]);
    run(connection, format!("{sql}{place}")).await;
    let level = place.trailing_ones();
    (place >> (level + 1) << level) + 1
}

/// Changes something within an event.
pub(crate) fn edit(document: &mut Value, chance: &mut Chance) {
    let salt = chance.next() % 1_000_000;
    let text = |of: &Value| json!(format!("{}{salt}", of.as_str().unwrap_or_default()));
    match chance.between(0, 12) {
        0 => document["at"] = json!(format!("2024-01-01T00:00:00.{:03}Z", 1 + salt % 9)),
        1 => document["actor"]["kind"] = json!("operator"),
        2 => document["actor"]["id"] = text(&document["actor"]["id"]),
        3 => document["actor"]["name"] = text(&document["actor"]["name"]),
        4 => document["actor"]["ip"] = text(&document["actor"]["ip"]),
        5 => document["actor"]["on_behalf_of"] = text(&document["actor"]["on_behalf_of"]),
        6 => document["action"] = text(&document["action"]),
        7 => document["target"]["id"] = text(&document["target"]["id"]),
        8 => document["target"]["name"] = text(&document["target"]["name"]),
        9 => document["reason"] = text(&document["reason"]),
        10 => document["details"]["after"]["name"] = text(&document["details"]["after"]["name"]),
        11 => document["details"][format!("more {salt}")] = json!(salt),
        _ => document["generation"] = json!(1_000_000 + salt),
    }
}

/// Changes one column of an event by itself.
async fn column(connection: &mut SqliteConnection, chance: &mut Chance, seq: u64) {
    let salt = chance.next() % 1_000_000 + 1;
    let name = chance.among(&[
        "at",
        "actor_kind",
        "actor_id",
        "actor_name",
        "actor_ip",
        "on_behalf_of",
        "action",
        "entity",
        "target_id",
        "target_name",
        "workspace_id",
        "team_id",
        "actor_team_ids",
        "reason",
        "details",
        "request_id",
        "generation",
    ]);
    let value = match name {
        "at" | "workspace_id" | "team_id" | "generation" => format!("coalesce({name}, 0) + {salt}"),
        "actor_team_ids" => format!("json_array('team_{salt:011}')"),
        "details" => chance.among(&["'no JSON'", "'{}'", "'null'", "CAST(x'ff' AS TEXT)", "''"]).to_owned(),
        "actor_id" | "actor_ip" | "on_behalf_of" | "reason" => {
            format!("CASE WHEN {name} IS NULL THEN '' ELSE NULL END")
        }
        "actor_name" => chance.among(&["CAST(x'ff' AS TEXT)", "actor_name || char(0)", "upper(actor_name)"]).to_owned(),
        _ => format!("{name} || {salt}"),
    };
    run(connection, format!("UPDATE audit_event SET {name} = {value} WHERE seq = {seq}")).await;
}

/// Writes the same details in another way.
async fn spell(connection: &mut SqliteConnection, chance: &mut Chance, seq: u64) {
    let exact = EDGE_OF_DOUBLES;
    let (from, to) = chance.among(&[
        ("{\"after\"", "{ \"after\""),
        ("\"operation\"", "\"operatio\\u006e\""),
        ("\"operation\":", "\"operation\":\"delete\",\"operation\":"),
        ("\"limit\":9007199254740992", "\"limit\":9007199254740993"),
        ("\"limit\":9007199254740992", "\"limit\":9007199254740992.0"),
        ("\"é\":0.1", "\"é\":0.10"),
        ("\"é\":0.1", "\"é\":1e-1"),
        ("1.5e-7", "0.00000015"),
    ]);
    assert!(from.contains("limit") == from.contains(&exact.to_string()));
    let changed = sqlx::query("UPDATE audit_event SET details = replace(details, ?1, ?2) WHERE seq = ?3")
        .bind(from)
        .bind(to)
        .bind(seq.cast_signed());
    changed.execute(&mut *connection).await.unwrap();
    let is_spelled: bool = sqlx::query_scalar("SELECT instr(details, ?1) > 0 FROM audit_event WHERE seq = ?2")
        .bind(to)
        .bind(seq.cast_signed())
        .fetch_one(connection)
        .await
        .unwrap();
    assert!(is_spelled, "{from} is not there to be spelled {to}");
}

/// Changes a row of a checkpoint; tells how many events it has.
async fn checkpoint_row(log: &KeptLog, connection: &mut SqliteConnection, chance: &mut Chance) -> i64 {
    let which = usize::try_from(chance.between(0, u64::try_from(log.checkpoints.len()).unwrap() - 1)).unwrap();
    let size = log.checkpoints[which].size;
    let change = chance.among(&[
        "root = zeroblob(32)",
        "at = at + 1",
        "incarnation = incarnation + 1",
        "size = size - 1",
        "size = size + 1000",
        "size = -size",
        "note = replace(note, 'time ', 'time  ')",
        "note = ''",
        "note = CAST(x'ff' AS TEXT)",
        "note = (SELECT group_concat(note) FROM audit_checkpoint)",
    ]);
    run(connection, format!("UPDATE audit_checkpoint SET {change} WHERE size = {size}")).await;
    size.cast_signed()
}

/// Takes the oldest events out and has an event say so; tells which.
async fn prune(
    log: &KeptLog,
    connection: &mut SqliteConnection,
    chance: &mut Chance,
    mut documents: Vec<Value>,
    through: u64,
) -> i64 {
    let others: Vec<&str> =
        log.checkpoints.iter().filter(|kept| kept.size != through).map(|kept| kept.note.as_str()).collect();
    let mut event = documents[0].clone();
    (event["action"], event["entity"]) = (json!("Delete"), json!("Audit Log"));
    event["details"] = json!({ "operation": "prune", "from": 1, "through": through });
    if chance.between(0, 3) > 0 {
        event["details"]["checkpoint"] = json!(chance.among(&others));
    }
    documents.push(event);
    rewrite(connection, &documents).await;
    let sql = format!(
        "DELETE FROM audit_search WHERE rowid <= {through}; DELETE FROM audit_event WHERE seq <= {through};
         UPDATE audit_log SET pruned = {through}"
    );
    run(connection, sql).await;
    i64::try_from(documents.len()).unwrap()
}

async fn hour(connection: &mut SqliteConnection, chance: &mut Chance) {
    let change = chance.among(&[
        "UPDATE audit_time SET last_seq = first_seq - 1",
        "UPDATE audit_time SET first_seq = last_seq + 1",
        "DELETE FROM audit_time",
    ]);
    let span = chance.among(&["3600000", "1000"]);
    let sql = format!(
        "{change} WHERE (span, number) =
            (SELECT span, number FROM audit_time WHERE span = {span} ORDER BY number LIMIT 1 OFFSET {})",
        chance.between(0, 5)
    );
    run(connection, sql).await;
}
