//! `$filter`: the part of OData 4.01 that the documentation's examples use. Whatever else stands in
//! a filter is no filter, and the caller answers 400.

use crate::core::odata::is_guid;
use serde_json::Value;
use std::cmp::Ordering;

/// A filter that was understood.
#[derive(Debug, Clone)]
pub(crate) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    /// `eq`, `ne`, `gt`, `ge`, `lt`, `le`, `has`.
    Compare(String, Operand, Value),
    In(Operand, Vec<Value>),
    /// `startswith`, `endswith`, `contains`.
    Text(String, Operand, String),
    /// `isof('microsoft.graph.x')`.
    IsOf(String),
    /// A list, whether all of it is asked for, the name of its element, what must hold of that.
    Lambda(String, bool, Option<(String, Box<Filter>)>),
}

/// A path, and whether its text is folded to small or capital letters first.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    path: String,
    folded: bool,
}

impl Filter {
    pub(crate) fn parse(text: &str) -> Option<Filter> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens, at: 0 };
        let filter = parser.or()?;
        (parser.at == tokens.len()).then_some(filter)
    }

    /// Every path that is asked for, without those of elements of lists.
    pub(crate) fn paths(&self) -> Vec<&str> {
        match self {
            Self::And(a, b) | Self::Or(a, b) => [a.paths(), b.paths()].concat(),
            Self::Not(a) => a.paths(),
            Self::Compare(_, o, _) | Self::In(o, _) | Self::Text(_, o, _) => vec![&o.path],
            Self::IsOf(_) => Vec::new(),
            Self::Lambda(path, ..) => vec![path],
        }
    }

    pub(crate) fn holds(&self, v: &Value) -> bool {
        match self {
            Self::And(a, b) => a.holds(v) && b.holds(v),
            Self::Or(a, b) => a.holds(v) || b.holds(v),
            Self::Not(a) => !a.holds(v),
            Self::Text(f, operand, text) => operand.read(v).as_str().is_some_and(|s| {
                let (s, text) = (s.to_lowercase(), text.to_lowercase());
                match f.as_str() {
                    "startswith" => s.starts_with(&text),
                    "endswith" => s.ends_with(&text),
                    _ => s.contains(&text),
                }
            }),
            Self::In(operand, values) => {
                let found = operand.read(v);
                values.iter().any(|w| compare(&found, w) == Some(Ordering::Equal))
            }
            Self::IsOf(kind) => is_of(v, kind),
            Self::Lambda(path, all, inner) => {
                let list = at(v, path);
                let rows = list.as_array().map(Vec::as_slice).unwrap_or_default();
                let holds = |row: &Value| match inner {
                    // The element is called by its name, so it stands in an object of that name.
                    Some((name, filter)) => filter.holds(&serde_json::json!({name: row})),
                    None => true,
                };
                if *all { rows.iter().all(holds) } else { rows.iter().any(holds) }
            }
            Self::Compare(op, operand, value) => operand.compares(v, op, value),
        }
    }
}

impl Operand {
    fn read(&self, v: &Value) -> Value {
        let found = match self.path.strip_suffix("/$count") {
            Some(list) => at(v, list).as_array().map_or(0, Vec::len).into(),
            None => at(v, &self.path),
        };
        match (self.folded, found) {
            (true, Value::String(s)) => s.to_lowercase().into(),
            (_, found) => found,
        }
    }

    fn compares(&self, v: &Value, op: &str, value: &Value) -> bool {
        let found = self.read(v);
        let order = compare(&found, value);
        match op {
            "has" => value.as_str().is_some_and(|w| {
                let flags = found.as_str().unwrap_or_default();
                flags.split(',').any(|f| f.trim().eq_ignore_ascii_case(w))
            }),
            "eq" => order == Some(Ordering::Equal),
            "ne" => order != Some(Ordering::Equal),
            "gt" => order == Some(Ordering::Greater),
            "ge" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            "lt" => order == Some(Ordering::Less),
            _ => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        }
    }
}

fn is_of(v: &Value, kind: &str) -> bool {
    let said = v["@odata.type"].as_str().unwrap_or_default();
    said.trim_start_matches('#').eq_ignore_ascii_case(kind)
}

/// A path like `from/emailAddress/address`, without case; a cast leads nowhere in other types.
pub(crate) fn at(value: &Value, path: &str) -> Value {
    let mut v = value;
    for part in path.split('/') {
        if part.starts_with("microsoft.graph.") {
            if !is_of(v, part) {
                return Value::Null;
            }
            continue;
        }
        let Some(next) =
            v.as_object().and_then(|m| m.iter().find(|(k, _)| k.eq_ignore_ascii_case(part)))
        else {
            return Value::Null;
        };
        v = next.1;
    }
    v.clone()
}

pub(crate) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => {
            match (a.parse::<jiff::Timestamp>(), b.parse::<jiff::Timestamp>()) {
                (Ok(a), Ok(b)) => Some(a.cmp(&b)),
                _ => Some(a.to_lowercase().cmp(&b.to_lowercase())),
            }
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => None,
    }
}

struct Parser<'t> {
    tokens: &'t [String],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Option<String> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn take(&mut self, token: &str) -> Option<()> {
        self.next()?.eq_ignore_ascii_case(token).then_some(())
    }

    fn or(&mut self) -> Option<Filter> {
        let mut left = self.and()?;
        while self.peek().is_some_and(|w| w.eq_ignore_ascii_case("or")) {
            self.at += 1;
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        Some(left)
    }

    fn and(&mut self) -> Option<Filter> {
        let mut left = self.one()?;
        while self.peek().is_some_and(|w| w.eq_ignore_ascii_case("and")) {
            self.at += 1;
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Some(left)
    }

    fn one(&mut self) -> Option<Filter> {
        let word = self.next()?;
        let opens = self.peek() == Some("(");
        let name = word.to_ascii_lowercase();
        match name.as_str() {
            "not" => return Some(Filter::Not(Box::new(self.one()?))),
            "(" => {
                let inner = self.or()?;
                self.take(")")?;
                return Some(inner);
            }
            "startswith" | "endswith" | "contains" if opens => {
                self.at += 1;
                let operand = self.operand()?;
                self.take(",")?;
                let value = literal(&self.next()?)?.as_str()?.to_owned();
                self.take(")")?;
                // `eq true` may follow, as OData has it for every function.
                if self.peek().is_some_and(|t| t.eq_ignore_ascii_case("eq")) {
                    self.at += 1;
                    self.take("true")?;
                }
                return Some(Filter::Text(name, operand, value));
            }
            "isof" if opens => {
                self.at += 1;
                let kind = literal(&self.next()?)?.as_str()?.to_owned();
                self.take(")")?;
                return Some(Filter::IsOf(kind));
            }
            _ => {}
        }
        if opens && (name.ends_with("/any") || name.ends_with("/all")) {
            return self.lambda(&word);
        }
        self.at -= 1;
        self.comparison()
    }

    fn comparison(&mut self) -> Option<Filter> {
        let operand = self.operand()?;
        let operator = self.next()?.to_ascii_lowercase();
        if operator == "in" {
            self.take("(")?;
            let mut values = vec![literal(&self.next()?)?];
            while self.peek() == Some(",") {
                self.at += 1;
                values.push(literal(&self.next()?)?);
            }
            self.take(")")?;
            return Some(Filter::In(operand, values));
        }
        if !["eq", "ne", "gt", "ge", "lt", "le", "has"].contains(&operator.as_str()) {
            return None;
        }
        Some(Filter::Compare(operator, operand, literal(&self.next()?)?))
    }

    /// A path, or one within `tolower` or `toupper`.
    fn operand(&mut self) -> Option<Operand> {
        let word = self.next()?;
        if ["tolower", "toupper"].contains(&word.to_ascii_lowercase().as_str()) {
            self.take("(")?;
            let path = self.next()?;
            self.take(")")?;
            return is_path(&path).then_some(Operand { path, folded: true });
        }
        is_path(&word).then_some(Operand { path: word, folded: false })
    }

    /// `list/any(x:x/name eq 'y')`, `list/any()`.
    fn lambda(&mut self, word: &str) -> Option<Filter> {
        let (path, how) = word.rsplit_once('/')?;
        let all = how.eq_ignore_ascii_case("all");
        self.take("(")?;
        if self.peek() == Some(")") {
            self.at += 1;
            return (!all).then(|| Filter::Lambda(path.to_owned(), false, None));
        }
        let name = self.next()?;
        self.take(":")?;
        let inner = self.or()?;
        self.take(")")?;
        Some(Filter::Lambda(path.to_owned(), all, Some((name, Box::new(inner)))))
    }
}

fn is_path(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "_./$@-".contains(c))
}

fn tokens(text: &str) -> Option<Vec<String>> {
    let mut out: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' => {}
            // A colon stands after the name of an element; within a time it is part of the word.
            '(' | ')' | ',' | ':' => out.push(c.to_string()),
            '\'' => {
                let mut s = String::from("'");
                loop {
                    match chars.next()? {
                        '\'' if chars.peek() == Some(&'\'') => {
                            chars.next();
                            s.push('\'');
                        }
                        '\'' => break,
                        c => s.push(c),
                    }
                }
                out.push(s);
            }
            c => {
                let mut s = String::from(c);
                let number = c.is_ascii_digit();
                while let Some(n) =
                    chars.peek().filter(|n| !" (),'".contains(**n) && (number || **n != ':'))
                {
                    s.push(*n);
                    chars.next();
                }
                out.push(s);
            }
        }
    }
    Some(out)
}

fn literal(token: &str) -> Option<Value> {
    if let Some(text) = token.strip_prefix('\'') {
        return Some(text.into());
    }
    match token {
        "true" => return Some(true.into()),
        "false" => return Some(false.into()),
        "null" => return Some(Value::Null),
        _ => {}
    }
    if let Ok(n) = token.parse::<i64>() {
        return Some(n.into());
    }
    if token.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && let Ok(n) = token.parse::<f64>()
    {
        return Some(n.into());
    }
    // Times, dates and GUIDs stand without quotes.
    let is_time =
        token.parse::<jiff::Timestamp>().is_ok() || token.parse::<jiff::civil::Date>().is_ok();
    (is_time || is_guid(token)).then(|| token.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn filters_of_the_documentation_work_and_others_are_refused() {
        let v = json!({"isRead": false, "from": {"emailAddress": {"address": "Ann@school"}},
            "receivedDateTime": "2026-03-01T08:00:00Z", "subject": "It's", "size": 7,
            "@odata.type": "#microsoft.graph.countryNamedLocation",
            "countriesAndRegions": ["CA", "DE"], "plans": [{"id": "a", "on": true}],
            "appId": "00000003-0000-0000-c000-000000000000", "kinds": "tls, signing"});
        for (text, want) in [
            ("isRead eq false", true),
            ("from/emailAddress/address eq 'ann@school'", true),
            ("receivedDateTime ge 2026-01-01T00:00:00Z and isRead eq false", true),
            ("receivedDateTime lt 2026-01-01T00:00:00Z or startswith(subject,'It''s')", true),
            ("not (isRead eq false)", false),
            ("not(isRead eq true)", true),
            ("startsWith(subject, 'it') eq true", true),
            ("subject in ('a', 'It''s')", true),
            ("size in (1,2)", false),
            ("appId eq 00000003-0000-0000-c000-000000000000", true),
            ("appId eq 10000003-0000-0000-c000-000000000000", false),
            ("countriesAndRegions/any(c: c eq 'CA')", true),
            ("countriesAndRegions/all(c:c eq 'CA')", false),
            ("countriesAndRegions/any()", true),
            ("nothing/any()", false),
            ("plans/any(p:p/id eq 'a' and p/on eq true)", true),
            ("plans/any(p:p/id eq 'b')", false),
            ("countriesAndRegions/$count eq 2", true),
            ("microsoft.graph.countryNamedLocation/countriesAndRegions/any(c:c eq 'CA')", true),
            ("microsoft.graph.ipNamedLocation/countriesAndRegions/any(c:c eq 'CA')", false),
            ("isof('microsoft.graph.countryNamedLocation')", true),
            ("isof('microsoft.graph.ipNamedLocation')", false),
            ("kinds has 'signing'", true),
            ("tolower(subject) eq 'it''s'", true),
            ("size gt 6.5", true),
        ] {
            let filter = Filter::parse(text);
            assert_eq!(filter.map(|f| f.holds(&v)), Some(want), "{text}");
        }
        for text in [
            "isRead",
            "isRead eq",
            "any(x:x eq 1)",
            "a eq 'open",
            "a eq 1 b",
            "a in 1",
            "a/all()",
            "a/any(x eq 1)",
            "'a' eq a",
            "a like 'b'",
            "(a eq 1",
            "5 eq 5",
        ] {
            assert!(Filter::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_filter_knows_what_it_asks_for() {
        let filter = Filter::parse(
            "from/emailAddress/address eq 'a' and (microsoft.graph.x/y/any(z:z/w eq 1) or not \
             startswith(v,'b'))",
        );
        assert_eq!(
            filter.unwrap().paths(),
            ["from/emailAddress/address", "microsoft.graph.x/y", "v"]
        );
    }
}
