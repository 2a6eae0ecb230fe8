//! An encoding by its label, as web pages and tools write it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// U+FEFF in UTF-8.
pub(in crate::segment) const MARK: &[u8; 3] = b"\xef\xbb\xbf";

/// How a file's text is written as bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

impl Encoding {
    /// UTF-8, with or without a byte-order mark.
    pub const UTF_8: Self = Self(&encoding_rs::UTF_8_INIT);
    /// UTF-16, the low byte first.
    pub const UTF_16LE: Self = Self(&encoding_rs::UTF_16LE_INIT);
    /// UTF-16, the high byte first.
    pub const UTF_16BE: Self = Self(&encoding_rs::UTF_16BE_INIT);
    /// What older Western European Windows programs write (holds ISO 8859-1's letters).
    pub const WINDOWS_1252: Self = Self(&encoding_rs::WINDOWS_1252_INIT);

    /// The encoding of this label, such as `utf-8`, `latin1` or `shift_jis`; case makes no difference.
    /// Source: the WHATWG Encoding Standard, "Names and labels".
    pub fn of(label: &str) -> Option<Self> {
        encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()).map(Self)
    }

    /// Its name in the standard.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    pub(super) fn is_utf_16(self) -> bool {
        self == Self::UTF_16LE || self == Self::UTF_16BE
    }

    /// Whether ASCII text is the same bytes in it.
    pub(super) fn is_like_ascii(self) -> bool {
        self.0.is_ascii_compatible()
    }

    pub(super) fn is_single_byte(self) -> bool {
        self.0.is_single_byte()
    }

    pub(super) fn decoder(self) -> encoding_rs::Decoder {
        self.0.new_decoder_without_bom_handling()
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Encoding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name().to_ascii_lowercase())
    }
}

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let label = Cow::<'de, str>::deserialize(deserializer)?;
        Self::of(&label).ok_or_else(|| serde::de::Error::custom("not the label of an encoding"))
    }
}

impl JsonSchema for Encoding {
    fn schema_name() -> Cow<'static, str> {
        "Encoding".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How text is written as bytes: any label of the WHATWG Encoding Standard.",
            "type": "string",
            "minLength": 1,
            "examples": ["utf-8", "utf-16le", "windows-1252", "iso-8859-15", "macintosh", "shift_jis"],
        })
    }
}
