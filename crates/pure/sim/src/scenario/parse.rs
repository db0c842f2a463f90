//! Scenarios from TOML.

use serde::Deserializer;
use serde::de::{DeserializeOwned, Error as _};
use toml::{Table, Value};

use super::{Fault, Scenario, WrongValue};

/// Why a text isn't a scenario. All of them name the file, and but for the first the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// It isn't TOML.
    #[error("{file}: line {line}: {what}")]
    Toml {
        /// Where from.
        file: String,
        /// From 1.
        line: usize,
        /// What was expected.
        what: String,
    },
    /// A key that there isn't, or a value of another type.
    #[error("{file}: {key}: {what}")]
    Key {
        /// Where from.
        file: String,
        /// Where in the file, tables first.
        key: String,
        /// With what is allowed.
        what: String,
    },
    /// A value that makes no sense.
    #[error("{file}: {wrong}")]
    Value {
        /// Where from.
        file: String,
        /// Which, and what is allowed.
        wrong: WrongValue,
    },
}

impl Scenario {
    /// Reads and checks a scenario. `file` is its path: for messages, and for the scenario's name.
    ///
    /// # Errors
    /// When the text isn't TOML, has a key that there isn't, or a value that isn't allowed.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ScenarioError> {
        let mut table: Table = toml::from_str(text).map_err(|error| syntax(&error, text, file))?;
        let faults = table.remove("faults");
        let mut scenario: Self = typed(Value::Table(table), file, "")?;
        scenario.faults = faults.map(|value| parse_faults(value, file)).transpose()?.unwrap_or_default();
        let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
        scenario.name = base.strip_suffix(".toml").unwrap_or(base).to_owned();
        scenario.check().map_err(|wrong| ScenarioError::Value { file: file.to_owned(), wrong })?;
        Ok(scenario)
    }
}

fn syntax(error: &toml::de::Error, text: &str, file: &str) -> ScenarioError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    ScenarioError::Toml { file: file.to_owned(), line, what: error.message().to_owned() }
}

/// [`Scenario::from_toml`] takes the faults out before, so this is a name in the list of keys, and no way around it.
pub(super) fn apart<'de, D: Deserializer<'de>>(_: D) -> Result<Vec<Fault>, D::Error> {
    Err(D::Error::custom("faults are read by Scenario::from_toml only"))
}

/// One by one and by hand: an enum with a tag would lose the keys from its messages.
fn parse_faults(value: Value, file: &str) -> Result<Vec<Fault>, ScenarioError> {
    let faults: Vec<Table> = typed(value, file, "faults")?;
    faults.into_iter().enumerate().map(|(index, table)| parse_fault(table, file, &format!("faults[{}]", index + 1))).collect()
}

fn parse_fault(mut table: Table, file: &str, place: &str) -> Result<Fault, ScenarioError> {
    let wrong = |what: String| ScenarioError::Key { file: file.to_owned(), key: format!("{place}.kind"), what };
    let allowed = Fault::KINDS.join(", ");
    let kind = match table.remove("kind") {
        Some(Value::String(kind)) => kind,
        Some(other) => return Err(wrong(format!("is of type {}; allowed: {allowed}", other.type_str()))),
        None => return Err(wrong(format!("is missing; allowed: {allowed}"))),
    };
    let place = format!("{place} ({kind})");
    let table = Value::Table(table);
    Ok(match kind.as_str() {
        "churn" => Fault::Churn(typed(table, file, &place)?),
        "partition" => Fault::Partition(typed(table, file, &place)?),
        "clock-jump" => Fault::ClockJump(typed(table, file, &place)?),
        "disk" => Fault::Disk(typed(table, file, &place)?),
        "crash" => Fault::Crash(typed(table, file, &place)?),
        "flood" => Fault::Flood(typed(table, file, &place)?),
        _ => return Err(wrong(format!("is {kind:?}; allowed: {allowed}"))),
    })
}

fn typed<T: DeserializeOwned>(value: Value, file: &str, place: &str) -> Result<T, ScenarioError> {
    T::deserialize(value).map_err(|error: toml::de::Error| {
        // The error shows where it was only in its last line.
        let text = error.to_string();
        let inner = text.lines().last().and_then(|line| line.strip_prefix("in `")?.strip_suffix('`'));
        let mut key =
            [place, inner.unwrap_or_default()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
        if key.is_empty() {
            "top level".clone_into(&mut key);
        }
        ScenarioError::Key { file: file.to_owned(), key, what: error.message().to_owned() }
    })
}

#[cfg(test)]
mod tests;
