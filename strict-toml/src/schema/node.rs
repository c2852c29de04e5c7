//! One place of a schema, with references and `Option` resolved.
//!
//! Turns JSON Schema's many spellings (`enum`, `const`, `oneOf` of constants, `anyOf` with null)
//! into the few [`Shape`]s a TOML value can be asked to have.

use serde_json::{Map, Value};

/// References deeper than this are a cycle without a value in between.
const REFERENCES_MAX: usize = 32;

/// A schema as seen through its references: the first layer that has a keyword decides.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    root: &'a Value,
    layers: Vec<&'a Map<String, Value>>,
}

/// What a value must be.
#[derive(Debug)]
pub(crate) enum Shape<'a> {
    Any,
    Text,
    Integer,
    Float,
    Boolean,
    List,
    Table,
    /// An enum: words, tables with one key, or both.
    Choice(Choice<'a>),
    /// Different things (serde's `untagged`).
    Either(Vec<Node<'a>>),
}

/// The variants of an enum.
#[derive(Debug, Default)]
pub(crate) struct Choice<'a> {
    /// Unit variants, written as strings.
    pub(crate) words: Vec<&'a str>,
    /// Variants with content, written as a table with this one key.
    pub(crate) variants: Vec<(&'a str, Node<'a>)>,
}

/// What a table does with a key it has no property for.
#[derive(Debug)]
pub(crate) enum Others<'a> {
    Refused,
    /// A map: any key, with values like this.
    Each(Node<'a>),
}

impl<'a> Node<'a> {
    pub(crate) fn new(root: &'a Value, schema: &'a Value) -> Self {
        let mut node = Self { root, layers: Vec::new() };
        node.push(schema, REFERENCES_MAX);
        node
    }

    /// The whole schema.
    pub(crate) fn root(&self) -> &'a Value {
        self.root
    }

    /// Adds a schema and all that it only points to.
    fn push(&mut self, schema: &'a Value, depth: usize) {
        let Some(layer) = schema.as_object() else { return };
        self.layers.push(layer);
        if depth == 0 {
            return;
        }
        let target = layer
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| self.root.pointer(reference.strip_prefix('#')?));
        if let Some(target) = target {
            self.push(target, depth - 1);
        }
        if let Some([only]) = optional(layer).as_deref() {
            self.push(only, depth - 1);
        }
    }

    pub(crate) fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.layers.iter().find_map(|layer| layer.get(keyword))
    }

    pub(crate) fn str(&self, keyword: &str) -> Option<&'a str> {
        self.get(keyword).and_then(Value::as_str)
    }

    pub(crate) fn count(&self, keyword: &str) -> Option<usize> {
        self.get(keyword).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok())
    }

    pub(crate) fn flag(&self, keyword: &str) -> bool {
        self.get(keyword).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The schema itself, behind all references: one and the same for every use of a type.
    pub(crate) fn target(&self) -> Option<&'a Map<String, Value>> {
        self.layers.last().copied()
    }

    /// Descends into a schema that stands inside this one.
    fn child(&self, schema: &'a Value) -> Self {
        Self::new(self.root, schema)
    }

    /// The declared keys of a table, in order.
    pub(crate) fn properties(&self) -> impl Iterator<Item = (&'a str, Self)> {
        let properties = self.get("properties").and_then(Value::as_object);
        let named = properties.into_iter().flatten();
        named.map(|(name, schema)| (name.as_str(), self.child(schema)))
    }

    pub(crate) fn property(&self, name: &str) -> Option<Self> {
        self.get("properties")?.get(name).map(|schema| self.child(schema))
    }

    pub(crate) fn required(&self) -> impl Iterator<Item = &'a str> {
        let names = self.get("required").and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str)
    }

    /// Strict by design: a table refuses unknown keys even where its schema forgot to say so.
    pub(crate) fn others(&self) -> Others<'a> {
        let patterns = self.get("patternProperties").and_then(Value::as_object);
        let pattern = patterns.and_then(|patterns| patterns.values().next());
        match (self.get("additionalProperties"), pattern) {
            (None | Some(Value::Bool(false)), None) => Others::Refused,
            (None | Some(Value::Bool(false)), Some(each)) | (Some(each), _) => {
                Others::Each(self.child(each))
            }
        }
    }

    /// What the keys of a map must look like.
    pub(crate) fn names(&self) -> Option<Self> {
        self.get("propertyNames").map(|schema| self.child(schema))
    }

    /// What the element at `index` of a list must be.
    pub(crate) fn item(&self, index: usize) -> Option<Self> {
        let fixed = self.get("prefixItems").and_then(|items| items.get(index));
        fixed.or_else(|| self.get("items")).map(|schema| self.child(schema))
    }

    pub(crate) fn shape(&self) -> Shape<'a> {
        if let Some(words) = self.words() {
            return Shape::Choice(Choice { words, variants: Vec::new() });
        }
        if let Some(alternatives) = self.alternatives() {
            return choice(&alternatives).map_or(Shape::Either(alternatives), Shape::Choice);
        }
        match self.type_name() {
            Some("string") => Shape::Text,
            Some("integer") => Shape::Integer,
            Some("number") => Shape::Float,
            Some("boolean") => Shape::Boolean,
            Some("array") => Shape::List,
            Some("object") => Shape::Table,
            _ if self.get("properties").is_some() => Shape::Table,
            _ => Shape::Any,
        }
    }

    /// The one type besides null; none if several are allowed.
    fn type_name(&self) -> Option<&'a str> {
        let stated = self.get("type")?;
        if let Some(name) = stated.as_str() {
            return Some(name);
        }
        let mut names =
            stated.as_array()?.iter().filter_map(Value::as_str).filter(|n| *n != "null");
        names.next().filter(|_| names.next().is_none())
    }

    /// The strings of `enum` and `const`.
    fn words(&self) -> Option<Vec<&'a str>> {
        if let Some(word) = self.str("const") {
            return Some(vec![word]);
        }
        let values = self.get("enum")?.as_array()?;
        let words: Vec<_> = values.iter().filter_map(Value::as_str).collect();
        (!words.is_empty()).then_some(words)
    }

    fn alternatives(&self) -> Option<Vec<Self>> {
        // A layer whose alternatives are one thing or null was already looked through.
        let stated = self.layers.iter().find_map(|layer| {
            optional(layer).filter(|schemas| schemas.len() > 1).or_else(|| list(layer, "oneOf"))
        })?;
        Some(stated.into_iter().map(|schema| self.child(schema)).collect())
    }

    /// The single key of a table that stands for an enum variant.
    fn variant(&self) -> Option<(&'a str, Self)> {
        let mut properties = self.properties();
        let (name, content) = properties.next()?;
        let only = properties.next().is_none() && self.required().eq([name]);
        only.then_some((name, content))
    }

    /// What it is called where a type is named: "duration", "list of strings", "table".
    pub(crate) fn kind(&self) -> String {
        match self.shape() {
            Shape::Any => self.str("format").map_or_else(|| "value".to_owned(), format_name),
            Shape::Text => self.str("format").map_or_else(|| "string".to_owned(), format_name),
            Shape::Integer => "integer".to_owned(),
            Shape::Float => "number".to_owned(),
            Shape::Boolean => "boolean".to_owned(),
            Shape::List => self.item(0).map_or_else(
                || "list".to_owned(),
                |item| format!("list of {}", plural(&item.kind())),
            ),
            Shape::Table => match self.others() {
                Others::Each(each) if self.properties().next().is_none() => {
                    format!("table of {}", plural(&each.kind()))
                }
                Others::Each(_) | Others::Refused => "table".to_owned(),
            },
            Shape::Choice(choice) => match (choice.words.is_empty(), choice.variants.is_empty()) {
                (false, true) => "string".to_owned(),
                (true, _) => "table".to_owned(),
                (false, false) => "string or table".to_owned(),
            },
            Shape::Either(nodes) => {
                let mut kinds: Vec<String> = nodes.iter().map(Self::kind).collect();
                kinds.dedup();
                kinds.join(" or ")
            }
        }
    }
}

/// A format as people call it.
fn format_name(format: &str) -> String {
    match format {
        crate::Duration::FORMAT => "duration".to_owned(),
        "ip" => "IP address".to_owned(),
        "ipv4" => "IPv4 address".to_owned(),
        "ipv6" => "IPv6 address".to_owned(),
        _ => format.replace('-', " "),
    }
}

/// Several of a kind: "strings", "IP addresses", "strings or tables", "lists of strings".
fn plural(kind: &str) -> String {
    let plural = |kind: &str| match kind.split_once(" of ") {
        Some((outer, inner)) => format!("{outer}s of {inner}"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    };
    let kinds: Vec<String> = kind.split(" or ").map(plural).collect();
    kinds.join(" or ")
}

/// The alternatives of an `anyOf` (or of a `oneOf` with null in it) besides null.
fn optional(layer: &Map<String, Value>) -> Option<Vec<&Value>> {
    let has_null = |schemas: &Vec<&Value>| schemas.iter().any(|schema| is_null(schema));
    let stated = list(layer, "anyOf").or_else(|| list(layer, "oneOf").filter(has_null))?;
    Some(stated.into_iter().filter(|schema| !is_null(schema)).collect())
}

fn list<'a>(layer: &'a Map<String, Value>, keyword: &str) -> Option<Vec<&'a Value>> {
    layer.get(keyword)?.as_array().map(|schemas| schemas.iter().collect())
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// Reads alternatives as the variants of an enum, if all of them are.
fn choice<'a>(alternatives: &[Node<'a>]) -> Option<Choice<'a>> {
    let mut choice = Choice::default();
    for node in alternatives {
        if let Some(words) = node.words() {
            choice.words.extend(words);
        } else {
            choice.variants.push(node.variant()?);
        }
    }
    Some(choice)
}
