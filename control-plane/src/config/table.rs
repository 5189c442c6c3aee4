//! Every setting and secret of the binary, in one table.
//!
//! Flags, variables, the TOML file, `--help` and the reference in the docs are all read
//! from here, so that none of them can say something else. This module knows names,
//! defaults and words; it never reads a value.

/// One plain setting.
///
/// `head_ttl_seconds` is the flag `--head-ttl-seconds`, the variable
/// `KEYWARD_HEAD_TTL_SECONDS` and the member `head_ttl_seconds` of the TOML file.
pub struct Setting {
    /// The name in the TOML file.
    pub name: &'static str,
    /// What stands for the value in `--help`.
    pub placeholder: &'static str,
    /// The value when nobody says otherwise. Empty means "none".
    pub default: &'static str,
    /// One or two sentences for `--help` and the docs.
    pub help: &'static str,
}

/// One secret.
///
/// `pepper` is given as the variable `KEYWARD_PEPPER`, or as a file named by
/// `--pepper-file`, `KEYWARD_PEPPER_FILE` or the member `pepper_file`; without any of them
/// it is read from `DATA_DIR/secrets/pepper`. The value itself is no flag, because every
/// user of a machine can read the flags of its processes.
pub struct SecretSetting {
    /// The name in the TOML file.
    pub name: &'static str,
    /// The file's name below `DATA_DIR/secrets`.
    pub file: &'static str,
    /// Whether the control plane starts without it.
    pub optional: bool,
    /// One or two sentences for `--help` and the docs.
    pub help: &'static str,
}

/// The TOML file's own flag.
pub const CONFIG: Setting = Setting {
    name: "config",
    placeholder: "FILE",
    default: "",
    help: "TOML file with settings, named like the flags, with _ for -.",
};

pub(super) const DATA_DIR: Setting = Setting {
    name: "data_dir",
    placeholder: "DIR",
    default: ".keyward",
    help: "Directory of the SQLite database, the secrets and the lock.",
};

pub(super) const DATABASE: Setting = Setting {
    name: "database",
    placeholder: "URL",
    default: "sqlite:DATA_DIR/keyward.db",
    help: "Where the truth is kept.",
};

pub(super) const DEPLOYMENT: Setting = Setting {
    name: "deployment",
    placeholder: "NAME",
    default: "keyward",
    help: "Name signed into every snapshot: an edge takes no other deployment's. \
           1 to 64 of a-z, 0-9 and -.",
};

pub(super) const LISTEN: Setting = Setting {
    name: "listen",
    placeholder: "ADDR",
    default: "127.0.0.1:8080",
    help: "Address and port of the REST API. TLS is the business of a proxy in front.",
};

pub(super) const CLIENT_ADDRESS: Setting = Setting {
    name: "client_address",
    placeholder: "SOURCE",
    default: "peer",
    help: "Where the audit log's address of a client comes from: peer, its connection; or xff:N, \
           the Nth from the right in X-Forwarded-For, behind N proxies of yours.",
};

pub(super) const KV_URL: Setting = Setting {
    name: "kv_url",
    placeholder: "URL",
    default: "",
    help: "Base URL of the Workers KV namespace, \
           https://api.cloudflare.com/client/v4/accounts/ACCOUNT/storage/kv/namespaces/NAMESPACE. \
           Without it nothing is written to KV and edges read over http only.",
};

pub(super) const HEAD_TTL: Setting = Setting {
    name: "head_ttl_seconds",
    placeholder: "SECONDS",
    default: "86400",
    help: "How long edges may go on judging from a head that nothing replaces; \
           the hard bound on a revocation. 600 to 2592000.",
};

pub(super) const HEARTBEAT: Setting = Setting {
    name: "heartbeat_seconds",
    placeholder: "SECONDS",
    default: "300",
    help: "How often the head is signed anew when nothing changes. \
           10 to 3600, and at most half of head_ttl_seconds.",
};

pub(super) const CHECKPOINT: Setting = Setting {
    name: "audit_checkpoint_seconds",
    placeholder: "SECONDS",
    default: "60",
    help: "The longest that an event of the audit log waits for a signed checkpoint that holds it, which \
           goes to edges with the head. 1 to 60.",
};

pub(super) const KV_MIN_INTERVAL: Setting = Setting {
    name: "kv_min_interval_ms",
    placeholder: "MS",
    default: "1100",
    help: "Least time between two heads written to KV, \
           which takes one write a second for one name. 0 to 60000.",
};

pub(super) const WARM_UP: Setting = Setting {
    name: "warm_up_seconds",
    placeholder: "SECONDS",
    default: "",
    help: "How long edges have to load what they use of a tree that is deepened, before it takes the \
           running one's place. 0 to 3600; unless set, 150 with kv_url, which edges ask every half \
           minute, and 20 without.",
};

pub(super) const QUIET: Setting = Setting {
    name: "quiet_seconds",
    placeholder: "SECONDS",
    default: "604800",
    help: "How long the old secret of a rotation must not have been used for the rotation to be safe to finish; \
           half of the grace period, where that is no longer than this. 60 to 2592000.",
};

pub(super) const LOG: Setting = Setting {
    name: "log",
    placeholder: "FILTER",
    default: "info",
    help: "What is logged to standard error: a level, or directives such as \
           info,keyward_control_plane=debug.",
};

pub(super) const LOG_FORMAT: Setting =
    Setting { name: "log_format", placeholder: "FORMAT", default: "text", help: "text or json." };

pub(super) const SMTP_FROM: Setting = Setting {
    name: "smtp_from",
    placeholder: "ADDRESS",
    default: "",
    help: "Whom mail is from: an address, or a name and an address, such as Keyward <audit@example.com>. \
           Needed with smtp_url.",
};

pub(super) const PUBLIC_URL: Setting = Setting {
    name: "public_url",
    placeholder: "URL",
    default: "",
    help: "Where people reach the REST API, https://keyward.example.com: links in mail begin with it. \
           Needed with smtp_url.",
};

pub(super) const MAIL_ATTACHED: Setting = Setting {
    name: "mail_attached_bytes",
    placeholder: "BYTES",
    default: "5000000",
    help: "Up to which size an export of the audit log is attached to its mail; a larger one is fetched by a \
           link for 24 hours. 0 to 20000000.",
};

/// All plain settings, in the order of the docs.
pub static SETTINGS: &[&Setting] = &[
    &DATA_DIR,
    &DATABASE,
    &DEPLOYMENT,
    &LISTEN,
    &CLIENT_ADDRESS,
    &KV_URL,
    &HEAD_TTL,
    &HEARTBEAT,
    &CHECKPOINT,
    &KV_MIN_INTERVAL,
    &WARM_UP,
    &QUIET,
    &SMTP_FROM,
    &PUBLIC_URL,
    &MAIL_ATTACHED,
    &LOG,
    &LOG_FORMAT,
];

pub(super) const PEPPER: SecretSetting = SecretSetting {
    name: "pepper",
    file: "pepper",
    optional: false,
    help: "Keys the fingerprints. Shared with the edges; 32 bytes as base64url.",
};

pub(super) const SIGNING_KEY: SecretSetting = SecretSetting {
    name: "signing_key",
    file: "signing-key",
    optional: false,
    help: "Ed25519 key that signs heads. Never leaves the control plane; 32 bytes as base64url.",
};

pub(super) const KEK: SecretSetting = SecretSetting {
    name: "kek",
    file: "kek",
    optional: false,
    help: "Key-encryption key: seals what the database must not show. 32 bytes as base64url.",
};

pub(super) const KEK_OLDER: SecretSetting = SecretSetting {
    name: "kek_older",
    file: "kek-older",
    optional: true,
    help: "Key-encryption keys that the present one replaces, with white space between them: they open \
           what they sealed and seal no more. 32 bytes each as base64url.",
};

pub(super) const EDGE_CREDENTIAL: SecretSetting = SecretSetting {
    name: "edge_credential",
    file: "edge-credential",
    optional: false,
    help: "Bearer token with which edges read snapshots over http and report, and nothing else.",
};

pub(super) const LANE_TOKEN: SecretSetting = SecretSetting {
    name: "lane_token",
    file: "lane-token",
    optional: true,
    help: "Bearer token that reads snapshots over http and reports nothing: for edges behind a CDN, which then \
           never sees edge_credential. `init` makes none.",
};

pub(super) const KV_TOKEN: SecretSetting = SecretSetting {
    name: "kv_token",
    file: "kv-token",
    optional: true,
    help: "API token of the account that owns the KV namespace, with the right to edit it.",
};

pub(super) const OPERATOR_TOKEN: SecretSetting = SecretSetting {
    name: "operator_token",
    file: "operator-token",
    optional: true,
    help: "The first operator's token. Its hash is stored at the first start; \
           afterwards the file may be kept elsewhere.",
};

pub(super) const SMTP_URL: SecretSetting = SecretSetting {
    name: "smtp_url",
    file: "smtp-url",
    optional: true,
    help: "Server that mail is sent by: smtps://USER:PASSWORD@HOST, or smtp://HOST:PORT?tls=required for \
           STARTTLS. smtp://HOST:PORT is in the clear. Without it no mail is sent.",
};

/// All secrets, in the order of the docs.
pub static SECRETS: &[&SecretSetting] =
    &[&PEPPER, &SIGNING_KEY, &KEK, &KEK_OLDER, &EDGE_CREDENTIAL, &LANE_TOKEN, &KV_TOKEN, &SMTP_URL, &OPERATOR_TOKEN];

/// `head_ttl_seconds` → `--head-ttl-seconds`, without the dashes in front.
pub fn flag_of(name: &str) -> String {
    name.replace('_', "-")
}

/// `head_ttl_seconds` → `KEYWARD_HEAD_TTL_SECONDS`.
pub fn variable_of(name: &str) -> String {
    format!("KEYWARD_{}", name.to_ascii_uppercase())
}

/// `pepper` → `pepper_file`, the setting that names the secret's file.
pub fn file_of(name: &str) -> String {
    format!("{name}_file")
}

/// The tables of settings and secrets as Markdown.
pub fn markdown() -> String {
    use std::fmt::Write as _;

    let mut text = String::from("| setting | flag | variable | default | |\n|---|---|---|---|---|\n");
    for setting in std::iter::once(&CONFIG).chain(SETTINGS.iter().copied()) {
        let default = match setting.default {
            "" => "none".to_owned(),
            some => format!("`{some}`"),
        };
        let _ = writeln!(
            text,
            "| `{}` | `--{} {}` | `{}` | {default} | {} |",
            setting.name,
            flag_of(setting.name),
            setting.placeholder,
            variable_of(setting.name),
            setting.help,
        );
    }
    text.push_str("\n| secret | variable | file named by | default file | |\n|---|---|---|---|---|\n");
    for secret in SECRETS {
        let file = file_of(secret.name);
        let _ = writeln!(
            text,
            "| `{}` | `{}` | `--{}`, `{}` | `DATA_DIR/secrets/{}` | {}{} |",
            secret.name,
            variable_of(secret.name),
            flag_of(&file),
            variable_of(&file),
            secret.file,
            secret.help,
            if secret.optional { " Optional." } else { "" },
        );
    }
    text
}
