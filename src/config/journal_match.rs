//! `journal:UNIT` and the like: which entries of systemd's journal a FILE means.

use crate::limits::JOURNAL_FIELD_NAME_BYTES;

/// Which entries of the journal a source has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalMatch {
    /// All of them.
    All,
    /// What `journalctl -u UNIT` shows.
    Unit {
        /// The unit as it was given, which is the source's name.
        name: String,
        /// The unit with its ending.
        unit: String,
    },
    /// Those that have this field with this value.
    Field {
        /// The field's name.
        field: String,
        /// Its value.
        value: String,
    },
}

impl JournalMatch {
    /// What the source is called.
    pub fn name(&self) -> String {
        match self {
            Self::All => "journal".to_owned(),
            Self::Unit { name, .. } => name.clone(),
            Self::Field { field, value } => format!("{field}={value}"),
        }
    }

    /// Reads what stands behind `journal:`.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const RIGHT: &str = "journal:, journal:UNIT or journal:FIELD=VALUE, with a FIELD as _TRANSPORT and a UNIT as ssh.service";
        if text.is_empty() {
            return Ok(Self::All);
        }
        if let Some((field, value)) = text.split_once('=') {
            let letters = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
            let allowed = |byte: u8| letters(byte) || byte.is_ascii_digit();
            let is_field = field.bytes().next().is_some_and(letters)
                && field.bytes().all(allowed)
                && field.len() <= JOURNAL_FIELD_NAME_BYTES;
            return match is_field && !value.is_empty() {
                true => Ok(Self::Field {
                    field: field.to_owned(),
                    value: value.to_owned(),
                }),
                false => Err(RIGHT),
            };
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
        if !text.bytes().all(allowed) {
            return Err(RIGHT);
        }
        let has_ending = UNIT_ENDINGS
            .iter()
            .any(|ending| text.len() > ending.len() && text.ends_with(ending));
        Ok(Self::Unit {
            name: text.to_owned(),
            unit: match has_ending {
                true => text.to_owned(),
                false => format!("{text}.service"),
            },
        })
    }

    /// Whether both stand for the same entries.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unit { unit, .. }, Self::Unit { unit: others, .. }) => unit == others,
            _ => self == other,
        }
    }
}

/// The types of units, by their endings (systemd.unit(5)). A unit without one is a service, as `journalctl -u` has it.
const UNIT_ENDINGS: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];
