//! A header: values by number, an index of them before the store that holds them, and a region that says how far both
//! reach ("RPM V4 Package format", "Header format").

use super::super::ArchiveError;

/// The number of a value.
pub(super) type Tag = u32;

/// What a header begins with: magic and version.
const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
/// Magic, number of index entries, bytes of the store.
const INTRO_BYTES: usize = 16;
/// An entry of the index: tag, type, offset, count.
const ENTRY_BYTES: usize = 16;
/// Entries and bytes that rpm itself accepts at most (`HEADER_TAGS_MAX`, `HEADER_DATA_MAX` in lib/header.c).
const ENTRIES_MAX: usize = 0xffff;
const STORE_BYTES_MAX: usize = 0x0fff_ffff;

/// A value of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Numbers of 16 bits.
    Halves(Vec<u16>),
    /// Numbers of 32 bits.
    Numbers(Vec<u32>),
    /// One text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// One text, in the language that the header's first table names.
    Translated(String),
    /// Bytes that are no text.
    Bytes(Vec<u8>),
}

/// Types of values, as the index names them.
const HALVES: u32 = 3;
const NUMBERS: u32 = 4;
const TEXT: u32 = 6;
const BYTES: u32 = 7;
const TEXTS: u32 = 8;
const TRANSLATED: u32 = 9;
/// The regions of a header of signatures and of the other one.
const REGIONS: [Tag; 2] = [62, 63];

/// Values by tag, in ascending order of tags.
pub(super) struct Header {
    region: Tag,
    values: Vec<(Tag, Value)>,
}

impl Header {
    pub(super) fn new(region: Tag, mut values: Vec<(Tag, Value)>) -> Self {
        values.sort_by_key(|(tag, _)| *tag);
        Self { region, values }
    }

    /// The header with one more value.
    pub(super) fn with(mut self, region: Tag, tag: Tag, value: Value) -> Self {
        self.values.push((tag, value));
        Self::new(region, self.values)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (mut index, mut store) = (Vec::new(), Vec::new());
        for (tag, value) in &self.values {
            let (kind, count) = value.kind();
            store.resize(store.len().next_multiple_of(value.alignment()), 0);
            index.extend(entry([*tag, kind, super::number(store.len()), count]));
            value.append(&mut store);
        }
        // The region covers every entry and its own, which stands first; its value, at the end of the store, is an
        // entry that points back over the index.
        let entries = super::number(self.values.len() + 1);
        let back = (entries * super::number(ENTRY_BYTES)).wrapping_neg();
        let first = entry([self.region, BYTES, super::number(store.len()), 16]);
        store.extend(entry([self.region, BYTES, back, 16]));
        let mut bytes = MAGIC.to_vec();
        bytes.extend(entries.to_be_bytes());
        bytes.extend(super::number(store.len()).to_be_bytes());
        bytes.extend(first);
        bytes.extend(index);
        bytes.extend(store);
        bytes
    }

    /// Reads the texts, numbers and bytes at the beginning of some bytes, and how many bytes the header has. What else
    /// there is is found by writing it again.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, usize), ArchiveError> {
        let broken = || ArchiveError::malformed("it has a header that is none");
        let rest = bytes.strip_prefix(&MAGIC).ok_or_else(broken)?;
        let word = |at: usize, bytes: &[u8]| {
            let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
            word.map(u32::from_be_bytes).ok_or_else(broken)
        };
        let length = |at| word(at, rest).map(size);
        let (entries, store_length) = (length(0)?, length(4)?);
        if entries > ENTRIES_MAX || store_length > STORE_BYTES_MAX {
            return Err(broken());
        }
        let store_at = INTRO_BYTES + entries * ENTRY_BYTES;
        let end = store_at + store_length;
        let index = bytes.get(INTRO_BYTES..store_at).ok_or_else(broken)?;
        let store = bytes.get(store_at..end).ok_or_else(broken)?;
        let mut values = Vec::new();
        for entry in index.chunks_exact(ENTRY_BYTES) {
            let (tag, kind) = (word(0, entry)?, word(4, entry)?);
            let [offset, count] = [8, 12].map(|at| word(at, entry).map(size));
            let (offset, count) = (offset?, count?);
            let value = store.get(offset..).ok_or_else(broken)?;
            if kind == TEXT || kind == TRANSLATED {
                let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
                let text = str::from_utf8(text).map_err(ArchiveError::malformed)?.to_owned();
                values.push((tag, Value::Text(text)));
            } else if kind == NUMBERS {
                values.push((tag, Value::Numbers(vec![word(0, value)?])));
            } else if kind == BYTES && !REGIONS.contains(&tag) {
                let bytes = value.get(..count).ok_or_else(broken)?;
                values.push((tag, Value::Bytes(bytes.to_vec())));
            }
        }
        Ok((Self { region: 0, values }, end))
    }

    pub(super) fn text(&self, wanted: Tag) -> Option<String> {
        self.values.iter().find_map(|(tag, value)| match value {
            Value::Text(text) if *tag == wanted => Some(text.clone()),
            Value::Text(_)
            | Value::Texts(_)
            | Value::Translated(_)
            | Value::Bytes(_)
            | Value::Halves(_)
            | Value::Numbers(_) => None,
        })
    }

    pub(super) fn bytes(&self, wanted: Tag) -> Option<&[u8]> {
        self.values.iter().find_map(|(tag, value)| match value {
            Value::Bytes(bytes) if *tag == wanted => Some(bytes.as_slice()),
            Value::Text(_)
            | Value::Texts(_)
            | Value::Translated(_)
            | Value::Bytes(_)
            | Value::Halves(_)
            | Value::Numbers(_) => None,
        })
    }

    /// The first of the numbers.
    pub(super) fn number(&self, wanted: Tag) -> Option<u32> {
        self.values.iter().find_map(|(tag, value)| match value {
            Value::Numbers(numbers) if *tag == wanted => numbers.first().copied(),
            Value::Text(_)
            | Value::Texts(_)
            | Value::Translated(_)
            | Value::Bytes(_)
            | Value::Halves(_)
            | Value::Numbers(_) => None,
        })
    }
}

fn size(word: u32) -> usize {
    usize::try_from(word).unwrap_or(usize::MAX)
}

fn entry(fields: [u32; 4]) -> impl Iterator<Item = u8> {
    fields.into_iter().flat_map(u32::to_be_bytes)
}

impl Value {
    /// Type and count.
    fn kind(&self) -> (u32, u32) {
        match self {
            Self::Halves(values) => (HALVES, super::number(values.len())),
            Self::Numbers(values) => (NUMBERS, super::number(values.len())),
            Self::Text(_) => (TEXT, 1),
            Self::Texts(values) => (TEXTS, super::number(values.len())),
            Self::Translated(_) => (TRANSLATED, 1),
            Self::Bytes(bytes) => (BYTES, super::number(bytes.len())),
        }
    }

    fn alignment(&self) -> usize {
        match self {
            Self::Halves(_) => 2,
            Self::Numbers(_) => 4,
            Self::Text(_) | Self::Texts(_) | Self::Translated(_) | Self::Bytes(_) => 1,
        }
    }

    fn append(&self, store: &mut Vec<u8>) {
        match self {
            Self::Halves(values) => {
                store.extend(values.iter().flat_map(|value| value.to_be_bytes()))
            }
            Self::Numbers(values) => {
                store.extend(values.iter().flat_map(|value| value.to_be_bytes()))
            }
            Self::Text(text) | Self::Translated(text) => store.extend(text.bytes().chain([0])),
            Self::Texts(texts) => {
                store.extend(texts.iter().flat_map(|text| text.bytes().chain([0])));
            }
            Self::Bytes(bytes) => store.extend_from_slice(bytes),
        }
    }
}
