//! Just enough of PromQL to see which series an expression uses and how: promtool checks the grammar, and knows no series.

/// One mention of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// With the prefix, and with `_bucket` where it stands.
    pub(crate) name: String,
    /// The matchers: label, operator, value.
    pub(crate) matchers: Vec<(String, String, String)>,
    /// Whether a time in brackets follows.
    pub(crate) is_range: bool,
    /// The function or operator in whose parentheses it stands.
    pub(crate) within: Option<String>,
}

/// The series of the program that an expression mentions.
pub(crate) fn uses(expression: &str) -> Vec<Use> {
    let starts = expression.match_indices(PREFIX).map(|(at, _)| at);
    starts.map(|at| read_use(expression, at)).collect()
}

/// The labels that an expression groups by.
pub(crate) fn grouped_by(expression: &str) -> Vec<String> {
    let groups = ["by (", "on (", "without ("]
        .into_iter()
        .flat_map(|word| expression.split(word).skip(1));
    groups
        .filter_map(|rest| rest.split(')').next())
        .flat_map(|labels| labels.split(','))
        .map(|label| label.trim().to_owned())
        .collect()
}

/// The functions in which some place of the text stands, the nearest first.
pub(crate) fn around(expression: &str, at: usize) -> Vec<String> {
    let (mut depth, mut found) = (0_i32, Vec::new());
    for (index, letter) in expression[..at].char_indices().rev() {
        match letter {
            ')' => depth += 1,
            '(' if depth > 0 => depth -= 1,
            '(' => found.push(word_before(&expression[..index])),
            _ => {}
        }
    }
    found
}

fn read_use(expression: &str, at: usize) -> Use {
    let rest = &expression[at..];
    let end = rest.find(|letter| !is_letter(letter)).unwrap_or(rest.len());
    let (name, mut rest) = rest.split_at(end);
    let mut matchers = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        let mut parts = outside_quotes(inside, '}');
        let text = parts.next().unwrap();
        matchers = outside_quotes(text, ',').map(matcher).collect();
        rest = &inside[text.len() + 1..];
    }
    Use {
        name: name.to_owned(),
        matchers,
        is_range: rest.starts_with('['),
        within: around(expression, at).into_iter().next(),
    }
}

/// The parts of a text between these letters, but for those in quotes.
fn outside_quotes(text: &str, letter: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |found| {
        is_quoted ^= found == '"';
        found == letter && !is_quoted
    })
}

fn matcher(text: &str) -> (String, String, String) {
    let at = text
        .find(['=', '!'])
        .unwrap_or_else(|| panic!("{text} is no matcher"));
    let (label, rest) = text.split_at(at);
    let operator = rest.split('"').next().unwrap();
    let value = rest[operator.len()..].trim_matches('"');
    (
        label.trim().to_owned(),
        operator.to_owned(),
        value.to_owned(),
    )
}

/// The function or, behind `by (…)`, the operator before a parenthesis.
fn word_before(text: &str) -> String {
    let text = text.trim_end();
    let text = match text.ends_with(')') {
        true => text.rsplit_once(" by (").map_or(text, |(before, _)| before),
        false => text,
    };
    let start = text
        .rfind(|letter| !is_letter(letter))
        .map_or(0, |at| at + 1);
    text[start..].to_owned()
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

pub(crate) const PREFIX: &str = "usersig_proxy_";

#[test]
fn an_expression_is_read_as_it_is_written() {
    let expression = "histogram_quantile(0.9, sum by (le, site) (rate(usersig_proxy_a_bucket{site=~\"$site\", le!=\"1\",a=\"{x},=\"}[5m])))\n\
                      > usersig_proxy_b";
    let [bucket, gauge] = &uses(expression)[..] else {
        panic!("{:?}", uses(expression));
    };
    assert_eq!(
        (
            bucket.name.as_str(),
            bucket.is_range,
            bucket.within.as_deref()
        ),
        ("usersig_proxy_a_bucket", true, Some("rate"))
    );
    let matchers: Vec<_> = bucket
        .matchers
        .iter()
        .map(|(label, operator, value)| [label.as_str(), operator, value])
        .collect();
    assert_eq!(
        matchers,
        [
            ["site", "=~", "$site"],
            ["le", "!=", "1"],
            ["a", "=", "{x},="]
        ]
    );
    assert_eq!(
        (gauge.name.as_str(), gauge.is_range, gauge.within.as_deref()),
        ("usersig_proxy_b", false, None)
    );
    assert_eq!(grouped_by(expression), ["le", "site"]);
    let at = expression.find(PREFIX).unwrap();
    assert_eq!(
        around(expression, at),
        ["rate", "sum", "histogram_quantile"]
    );
}
