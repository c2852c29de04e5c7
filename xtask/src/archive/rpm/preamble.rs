//! What a spec file begins with: a field a line, an empty line, the description.

use super::super::ArchiveError;
use super::header::{Header, Tag, Value};

/// The fields in their order, with their tags; the tag of the description.
const FIELDS: [(&str, Tag); 9] = [
    ("Name", 1000),
    ("Version", 1001),
    ("Release", 1002),
    ("Architecture", 1022),
    ("Summary", SUMMARY),
    ("License", 1014),
    ("Vendor", 1011),
    ("Packager", 1015),
    ("URL", 1020),
];
const SUMMARY: Tag = 1004;
const DESCRIPTION: Tag = 1005;

/// Name, version and what else a package says of itself.
pub(super) struct Preamble {
    pub(super) name: String,
    version: String,
    release: String,
    pub(super) architecture: String,
    /// Every field, in order.
    fields: Vec<String>,
    description: String,
}

impl Preamble {
    /// Reads the text, which may look only as [`Preamble::to_text`] writes it.
    pub(super) fn parse(text: &str) -> Result<Self, ArchiveError> {
        let broken = || ArchiveError::malformed("its preamble is not as it should be");
        let (fields, description) = text.split_once("\n\n").ok_or_else(broken)?;
        let mut values = Vec::new();
        for (line, (name, _)) in fields.lines().zip(FIELDS) {
            let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
            values.push(value.ok_or_else(broken)?.to_owned());
        }
        let description = description.strip_suffix('\n').ok_or_else(broken)?.to_owned();
        let preamble = Self::new(values, description)?;
        // A NUL would end the value where rpm reads it.
        if preamble.to_text() == text && !text.contains('\0') {
            Ok(preamble)
        } else {
            Err(broken())
        }
    }

    /// What a header says.
    pub(super) fn of(header: &Header) -> Result<Self, ArchiveError> {
        let value = |tag| {
            header.text(tag).ok_or_else(|| ArchiveError::malformed(format!("it has no tag {tag}")))
        };
        let fields = FIELDS.iter().map(|(_, tag)| value(*tag)).collect::<Result<_, _>>()?;
        Self::new(fields, value(DESCRIPTION)?)
    }

    fn new(fields: Vec<String>, description: String) -> Result<Self, ArchiveError> {
        let [name, version, release, architecture, ..] = &fields[..] else {
            return Err(ArchiveError::malformed("its preamble is too short"));
        };
        let [name, version, release, architecture] =
            [name, version, release, architecture].map(Clone::clone);
        Ok(Self { name, version, release, architecture, fields, description })
    }

    pub(super) fn to_text(&self) -> String {
        let line = |((name, _), value): (&(&str, Tag), &String)| format!("{name}: {value}\n");
        let fields: String = FIELDS.iter().zip(&self.fields).map(line).collect();
        format!("{fields}\n{}\n", self.description)
    }

    pub(super) fn tags(&self) -> Vec<(Tag, Value)> {
        let fields = FIELDS.iter().zip(&self.fields).map(|((_, tag), value)| match *tag {
            SUMMARY => (SUMMARY, Value::Translated(value.clone())),
            tag => (tag, Value::Text(value.clone())),
        });
        let description = (DESCRIPTION, Value::Translated(self.description.clone()));
        fields.chain([description]).collect()
    }

    /// Who made which version, as a changelog says it.
    pub(super) fn author(&self) -> String {
        let packager = FIELDS.iter().zip(&self.fields).find(|((name, _), _)| *name == "Packager");
        let packager = packager.map_or("", |(_, packager)| packager);
        format!("{packager} - {}", self.full_version())
    }

    /// `VERSION-RELEASE`.
    pub(super) fn full_version(&self) -> String {
        format!("{}-{}", self.version, self.release)
    }

    /// `NAME-VERSION-RELEASE`.
    pub(super) fn full_name(&self) -> String {
        format!("{}-{}", self.name, self.full_version())
    }
}
