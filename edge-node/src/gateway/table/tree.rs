//! The routes of one host by path. Leaves hold places in the table's list, in its order, so that the least place that
//! fits is the most specific route.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::fit::split;
use super::{PathPattern, TemplateSegment};

/// Places, ascending.
type Leaf = Vec<usize>;

/// The routes of one host.
#[derive(Debug, Default)]
pub struct Tree {
    exact: HashMap<Box<str>, Leaf, Hashing>,
    templates: Node,
    prefixes: Node,
}

/// Where patterns stand after some segments.
#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, Node, Hashing>,
    parameter: Option<Box<Node>>,
    /// Templates whose rest begins here.
    rest: Leaf,
    /// Patterns that end here.
    end: Leaf,
}

impl Tree {
    /// Adds a route; `place` is greater than all before it.
    pub fn insert(&mut self, pattern: &PathPattern, place: usize) {
        let leaf = match pattern {
            PathPattern::Exact(path) => self.exact.entry(path.clone()).or_default(),
            PathPattern::Prefix(prefix) => {
                let mut node = &mut self.prefixes;
                // The empty prefix has no segment, `/a` has one.
                for segment in prefix.split('/').skip(1) {
                    node = node.literals.entry(segment.into()).or_default();
                }
                &mut node.end
            }
            PathPattern::Template(segments) => self.templates.leaf(segments),
        };
        // A route may name a host twice.
        if leaf.last() != Some(&place) {
            leaf.push(place);
        }
    }

    /// The least place whose pattern takes a path and that `fits`.
    pub fn first(&self, path: &str, fits: &impl Fn(usize) -> bool) -> Option<usize> {
        if let Some(leaf) = self.exact.get(path)
            && let Some(place) = leaf.iter().find(|place| fits(**place))
        {
            return Some(*place);
        }
        let mut least = usize::MAX;
        let mut look = |leaf: &Leaf| {
            for place in leaf {
                if *place >= least {
                    return;
                }
                if fits(*place) {
                    least = *place;
                    return;
                }
            }
        };
        let rest = path.strip_prefix('/');
        self.templates.visit_templates(rest, &mut look);
        // A prefix never comes before a template.
        if least == usize::MAX {
            let mut look = |leaf: &Leaf| {
                let found = leaf.iter().find(|place| fits(**place));
                least = found.copied().unwrap_or(usize::MAX);
                found.is_some()
            };
            self.prefixes.longest_prefix(rest, &mut look);
        }
        (least != usize::MAX).then_some(least)
    }

    /// Shows every leaf whose patterns take a path.
    pub fn visit(&self, path: &str, visit: &mut impl FnMut(&Leaf)) {
        if let Some(leaf) = self.exact.get(path) {
            visit(leaf);
        }
        let rest = path.strip_prefix('/');
        self.templates.visit_templates(rest, visit);
        self.prefixes.longest_prefix(rest, &mut |leaf| {
            visit(leaf);
            false
        });
    }
}

impl Node {
    fn leaf(&mut self, segments: &[TemplateSegment]) -> &mut Leaf {
        let Some((first, behind)) = segments.split_first() else { return &mut self.end };
        match first {
            TemplateSegment::Literal(text) => {
                self.literals.entry(text.clone()).or_default().leaf(behind)
            }
            TemplateSegment::Parameter(_) => self.parameter.get_or_insert_default().leaf(behind),
            TemplateSegment::Rest(_) => &mut self.rest,
        }
    }

    /// Shows the leaves of all templates that take `rest`, which is none where the path has ended.
    fn visit_templates(&self, rest: Option<&str>, visit: &mut impl FnMut(&Leaf)) {
        let Some(rest) = rest else { return visit(&self.end) };
        visit(&self.rest);
        if self.literals.is_empty() && self.parameter.is_none() {
            return;
        }
        let (first, behind) = split(rest);
        if let Some(node) = self.literals.get(first) {
            node.visit_templates(behind, visit);
        }
        if let Some(node) = &self.parameter
            && !first.is_empty()
        {
            node.visit_templates(behind, visit);
        }
    }

    /// Shows the leaves of all prefixes of `rest`, the longest first, until `is_enough`.
    fn longest_prefix(
        &self,
        rest: Option<&str>,
        is_enough: &mut impl FnMut(&Leaf) -> bool,
    ) -> bool {
        if let Some(rest) = rest
            && !self.literals.is_empty()
        {
            let (first, behind) = split(rest);
            if let Some(node) = self.literals.get(first)
                && node.longest_prefix(behind, is_enough)
            {
                return true;
            }
        }
        is_enough(&self.end)
    }
}

/// Hashes keys that only the config adds, so that nobody outside can make them collide.
pub type Hashing = BuildHasherDefault<Fnv>;

/// FNV-1a, of 64 bits: for texts as short as these, faster than what resists an attacker.
///
/// Source: RFC 9923.
#[derive(Debug)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
