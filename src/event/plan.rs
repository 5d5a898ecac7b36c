//! What is done with lines of one shape: which schemas they can have, and which fields are asked for each role.
//!
//! Lines of one logger have the same fields in the same order. Everything that follows from the fields' places alone is
//! worked out once for each shape, as a list of steps in order of preference; a line then only has its values checked.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::paths::Paths;
use super::role::{Role, Unit};
use super::scan::{Cap, Notes};
use super::schema::Test;
use super::tables::{Schema, Tables};
use super::walk::Kind;

/// Shapes that are remembered; when there are more, all are forgotten.
const MAX_PLANS: usize = 512;

/// Fields that a shape which is remembered may have.
const MAX_FIELDS: usize = 512;

/// Why a field was taken for a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Config,
    /// The schema's number.
    Schema(u16),
    Name,
    Form,
}

/// One way to fill a role.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub role: Role,
    /// Position among the line's fields.
    pub field: u32,
    /// The step to go on with when this one fills the role.
    pub next: u32,
    /// Unit of bare numbers.
    pub unit: Unit,
    /// How a key found there is called: a position in [`Tables::spaces`].
    pub space: u16,
    pub why: Why,
}

/// How a line of some shape and schema is read.
pub(super) struct Way {
    schema: Option<usize>,
    /// For each role, the fields that may have it, best first; the roles that are always asked for come first.
    pub steps: Box<[Step]>,
    /// How many steps belong to the roles that are always asked for.
    pub usual: usize,
    /// Whether the line is the one of its request that counts; `None` when the schema has one line for each.
    pub last: Option<bool>,
    /// Roles that no field may have, one bit each.
    pub without: u32,
}

/// A schema that lines of a shape may have, and what must be true of their values.
struct Candidate {
    schema: u16,
    /// Field, and position among the schema's conditions.
    tests: Box<[(u32, u32)]>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Plan {
    /// The places of the fields.
    ats: Box<[u32]>,
    /// The field that counts as the line's first.
    first: u32,
    /// The fields without those that come again: of doubled keys the last counts, as with most parsers.
    kept: Box<[u32]>,
    /// Pointers of packs and the configuration that the line has, and the field of each; in order.
    exacts: Box<[(u16, u32)]>,
    candidates: Box<[Candidate]>,
    ways: Vec<Way>,
}

/// The plans of a stream.
#[derive(Default)]
pub(super) struct Plans {
    by_shape: HashMap<u64, Plan, RandomState>,
    /// Of a line whose shape is not remembered.
    other: Plan,
}

impl Plans {
    /// Forgets all, when places have got other numbers.
    pub(super) fn clear(&mut self) {
        self.by_shape.clear();
    }

    /// The plan of the line at hand, whose first field of its own is `first`.
    pub(super) fn of(&mut self, notes: &Notes, first: usize, paths: &Paths, tables: &Tables) -> &mut Plan {
        let new = || Plan::new(&notes.fields, first, paths, tables);
        if notes.fields.len() > MAX_FIELDS {
            self.other = new();
            return &mut self.other;
        }
        if self.by_shape.len() >= MAX_PLANS {
            self.by_shape.clear();
        }
        let plan = self.by_shape.entry(notes.shape).or_insert_with(new);
        if !plan.fits(&notes.fields, first) {
            *plan = new();
        }
        plan
    }
}

impl Plan {
    fn new(fields: &[Cap], first: usize, paths: &Paths, tables: &Tables) -> Self {
        let mut kept: Vec<(u32, u32)> = fields.iter().enumerate().map(|(n, cap)| (cap.at, n as u32)).collect();
        kept.sort_unstable_by_key(|(at, n)| (*at, std::cmp::Reverse(*n)));
        kept.dedup_by_key(|(at, _)| *at);
        let mut kept: Vec<u32> = kept.into_iter().map(|(_, n)| n).collect();
        kept.sort_unstable();
        let exact = |n: &u32| Some((paths.get(fields[*n as usize].at).exact?, *n));
        let mut exacts: Vec<(u16, u32)> = kept.iter().filter_map(exact).collect();
        exacts.sort_unstable_by_key(|(exact, n)| (*exact, std::cmp::Reverse(*n)));
        exacts.dedup_by_key(|(exact, _)| *exact);
        let ats = fields.iter().map(|f| f.at).collect();
        let mut plan = Self {
            ats,
            first: first as u32,
            kept: kept.into(),
            exacts: exacts.into(),
            candidates: Box::default(),
            ways: Vec::new(),
        };
        plan.candidates = plan.possible(fields, tables);
        plan
    }

    /// The schemas, in order, that the line has all pointers of.
    fn possible(&self, fields: &[Cap], tables: &Tables) -> Box<[Candidate]> {
        let mut masks = vec![0; tables.schemas.len()];
        for (exact, _) in &self.exacts {
            for (schema, bit) in &tables.exacts[usize::from(*exact)].tests {
                masks[usize::from(*schema)] |= bit;
            }
        }
        let whole = tables.schemas.iter().zip(masks).enumerate().filter(|(_, (schema, mask))| schema.all == *mask);
        let first = fields.get(self.first as usize).map(|cap| cap.at);
        let candidate = |(at, (schema, _)): (usize, (&Schema, u32))| {
            let mut tests = Vec::new();
            for (n, (exact, test)) in schema.tests.iter().enumerate() {
                let field = self.field(*exact)?;
                match test {
                    Test::There => {}
                    Test::First if first == Some(fields[field as usize].at) => {}
                    Test::First => return None,
                    _ => tests.push((field, n as u32)),
                }
            }
            Some(Candidate { schema: at as u16, tests: tests.into() })
        };
        whole.filter_map(candidate).collect()
    }

    /// The field of a pointer that packs or the configuration name.
    fn field(&self, exact: u16) -> Option<u32> {
        let at = self.exacts.binary_search_by_key(&exact, |(exact, _)| *exact).ok()?;
        Some(self.exacts[at].1)
    }

    /// Whether it was made for these fields.
    fn fits(&self, fields: &[Cap], first: usize) -> bool {
        self.first == first as u32
            && self.ats.len() == fields.len()
            && self.ats.iter().zip(fields).all(|(at, cap)| *at == cap.at)
    }

    /// The first schema of which all conditions hold.
    pub(super) fn schema(&self, fields: &[Cap], tables: &Tables, line: &[u8]) -> Option<usize> {
        let holds = |schema: usize, (field, test): (u32, u32)| {
            tables.schemas[schema].tests[test as usize].1.holds(&fields[field as usize], line)
        };
        let mut all = self.candidates.iter().map(|c| (usize::from(c.schema), &c.tests));
        all.find(|(schema, tests)| tests.iter().all(|t| holds(*schema, *t))).map(|(schema, _)| schema)
    }

    /// How a line of this shape is read when its schema is `schema`.
    pub(super) fn way(&mut self, schema: Option<usize>, fields: &[Cap], paths: &Paths, tables: &Tables) -> &Way {
        let at = self.ways.iter().position(|w| w.schema == schema).unwrap_or_else(|| {
            let way = self.make(schema, fields, paths, tables);
            self.ways.push(way);
            self.ways.len() - 1
        });
        &self.ways[at]
    }

    fn make(&self, number: Option<usize>, fields: &[Cap], paths: &Paths, tables: &Tables) -> Way {
        let schema = number.map(|s| &tables.schemas[s]);
        let request = schema.and_then(|s| s.request);
        let without = schema.map_or(0, |s| s.without);
        let named = self.by_name(schema, fields, paths, tables);
        let asked = tables.asked | request.map_or(0, |_| 1 << Role::RequestId as u32);
        let (mut steps, mut usual) = (Vec::new(), 0);
        for always in [true, false] {
            for role in Role::ALL.into_iter().filter(|role| (asked >> *role as u32 & 1 == 1) == always) {
                let from = steps.len();
                self.by_pointer(role, number, tables, &mut steps);
                if without >> role as u32 & 1 == 0 {
                    steps.extend(named.iter().map(|(_, step)| step).filter(|step| step.role == role));
                }
                let next = steps.len() as u32;
                steps[from..].iter_mut().for_each(|s| s.next = next);
            }
            usual = if always { steps.len() } else { usual };
        }
        let last = request.map(|exact| self.field(exact).is_some());
        Way { schema: number, steps: steps.into(), usual, last, without }
    }

    /// The steps that configuration and schema name for a role.
    fn by_pointer(&self, role: Role, number: Option<usize>, tables: &Tables, steps: &mut Vec<Step>) {
        let schema = number.map(|s| &tables.schemas[s]);
        let by_schema = schema.map_or(&[][..], |s| &s.roles[role as usize]);
        let why = number.map_or(Why::Name, |s| Why::Schema(s as u16));
        let by_config = tables.overrides[role as usize].iter().map(|c| (c, Why::Config));
        for (choice, why) in by_config.chain(by_schema.iter().map(|c| (c, why))) {
            let Some(field) = self.field(choice.exact) else { continue };
            let unit = choice.unit.or(usual_unit(schema, tables)).unwrap_or(Unit::Ms);
            let space = tables.exacts[usize::from(choice.exact)].space;
            steps.push(Step { role, field, next: 0, unit, space, why });
        }
    }

    /// The steps for fields that are called as those of a role usually are, with the worth of each: the less stands
    /// around the name the better, and of equals the first.
    fn by_name(
        &self,
        schema: Option<&Schema>,
        fields: &[Cap],
        paths: &Paths,
        tables: &Tables,
    ) -> Vec<((usize, u32), Step)> {
        let usual = usual_unit(schema, tables);
        let mut named = Vec::new();
        for &field in &self.kept {
            let spot = paths.get(fields[field as usize].at);
            for alias in spot.names.map_or(&[][..], |names| tables.roles_of(names)) {
                let unit = match (alias.sure, usual) {
                    (false, Some(unit)) => unit,
                    _ => alias.unit.unwrap_or(Unit::Ms),
                };
                let around = spot.depth().saturating_sub(usize::from(alias.depth));
                let step = Step { role: alias.role, field, next: 0, unit, space: alias.space, why: Why::Name };
                named.push(((around * 12 + usize::from(alias.rank), field), step));
            }
        }
        named.sort_unstable_by_key(|(worth, _)| *worth);
        named
    }
}

/// The unit of durations that neither a name nor a pointer says.
fn usual_unit(schema: Option<&Schema>, tables: &Tables) -> Option<Unit> {
    schema.and_then(|s| s.latency_unit).or(tables.latency_unit)
}

impl Test {
    /// Whether a value is as the condition says, which is no matter of place.
    fn holds(&self, cap: &Cap, line: &[u8]) -> bool {
        let text = cap.text(line);
        match self {
            Self::There | Self::First => true,
            Self::Number => cap.kind == Kind::Num,
            Self::Float => cap.kind == Kind::Num && text.raw().contains(&b'.'),
            Self::Str => cap.kind == Kind::Str,
            Self::Upper => cap.kind == Kind::Str && text.raw().iter().all(u8::is_ascii_uppercase),
            Self::Value(all) => {
                all.iter().any(|(v, prefix)| if *prefix { text.raw().starts_with(v) } else { text.is(v) })
            }
        }
    }
}
