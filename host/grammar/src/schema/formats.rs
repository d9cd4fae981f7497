//! Formats of strings, as regular expressions.
//!
//! They match what the usual readers read: years from 1, no 61st second, leap days only in leap
//! years. Other formats are annotations, as the standard says.

/// The names of the known formats.
pub(super) const KNOWN: [&str; 17] = [
    "base64url",
    "byte",
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "idn-email",
    "ip",
    "ipv4",
    "ipv6",
    "json-pointer",
    "time",
    "ulid",
    "uri",
    "url",
    "uuid",
];

/// The expression for a format, which matches the whole string. `None` for an unknown one.
pub(super) fn regex(format: &str) -> Option<String> {
    let local = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*";
    Some(match format {
        "date" => date(),
        "time" => time(),
        "date-time" => format!("({})T({})", date(), time()),
        "duration" => duration(),
        "email" => format!("{local}@{}", hostname()),
        "idn-email" => format!("[^\\s@\"\\\\]+@{}", idn_hostname()),
        "hostname" => hostname(),
        "ipv4" => ipv4(),
        "ipv6" => ipv6(),
        "ip" => format!("({})|({})", ipv4(), ipv6()),
        "uuid" => "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}".to_owned(),
        "ulid" => "[0-7][0-9A-HJKMNP-TV-Z]{25}".to_owned(),
        "uri" | "url" => uri(),
        "json-pointer" => "(/([^~/]|~[01])*)*".to_owned(),
        // OpenAPI's name for base64.
        "byte" => "([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?".to_owned(),
        "base64url" => "([A-Za-z0-9_-]{4})*([A-Za-z0-9_-]{2,3})?".to_owned(),
        _ => return None,
    })
}

fn date() -> String {
    // Years with a leap day: divisible by 4, but by 100 only if also by 400.
    let by_4 = "(0[48]|[2468][048]|[13579][26])";
    let leap = format!("([0-9]{{2}}{by_4}|({by_4})00)");
    let year = "([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)";
    format!(
        "{year}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])\
         |(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|{leap}-02-29"
    )
}

fn time() -> String {
    let hour_and_minute = "([01][0-9]|2[0-3]):[0-5][0-9]";
    format!("{hour_and_minute}:[0-5][0-9](\\.[0-9]{{1,9}})?(Z|[+-]{hour_and_minute})")
}

/// ISO 8601's durations of RFC 3339, appendix A.
fn duration() -> String {
    let n = "[0-9]{1,9}";
    let time = format!("T({n}H({n}M({n}S)?)?|{n}M({n}S)?|{n}S)");
    format!("P(({n}Y({n}M({n}D)?)?|{n}M({n}D)?|{n}D)({time})?|{time}|{n}W)")
}

fn hostname() -> String {
    let label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    format!("{label}(\\.{label})*")
}

/// Names of hosts in any script.
fn idn_hostname() -> String {
    let label = "[\\p{L}\\p{N}]([\\p{L}\\p{M}\\p{N}-]*[\\p{L}\\p{M}\\p{N}])?";
    format!("{label}(\\.{label})*")
}

fn ipv4() -> String {
    let part = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    format!("{part}(\\.{part}){{3}}")
}

/// All groups, or `::` for at least one of them. The last two may be written as an IPv4 address.
fn ipv6() -> String {
    let (group, ipv4) = ("[0-9a-fA-F]{1,4}", ipv4());
    let mut ways = vec![
        format!("({group}:){{7}}{group}"),
        format!("({group}:){{6}}{ipv4}"),
    ];
    for before in 0..=7usize {
        let head = match before {
            0 => "::".to_owned(),
            count => format!("{group}(:{group}){{{}}}::", count - 1),
        };
        if let Some(after) = 5usize.checked_sub(before) {
            ways.push(format!("{head}({group}:){{0,{after}}}{ipv4}"));
        }
        let after = 7 - before;
        ways.push(match after {
            0 => head,
            count => format!("{head}({group}(:{group}){{0,{}}})?", count - 1),
        });
    }
    ways.join("|")
}

/// RFC 3986, with a scheme.
fn uri() -> String {
    let hex = "%[0-9a-fA-F]{2}";
    let segment = format!("([A-Za-z0-9._~!$&'()*+,;=:@-]|{hex})");
    let query = format!("([A-Za-z0-9._~!$&'()*+,;=:@/?-]|{hex})*");
    let authority = format!(
        "(([A-Za-z0-9._~!$&'()*+,;=:-]|{hex})*@)?\
         (\\[({})\\]|([A-Za-z0-9._~!$&'()*+,;=-]|{hex})+)(:[0-9]{{1,5}})?",
        ipv6()
    );
    format!(
        "[a-zA-Z][a-zA-Z0-9+.-]*:(//{authority}(/{segment}*)*|/({segment}+(/{segment}*)*)?\
         |{segment}+(/{segment}*)*)(\\?{query})?(#{query})?"
    )
}

#[cfg(test)]
mod tests {
    use llguidance::derivre::RegexAst;

    use super::super::valid::compiled;
    use super::*;

    fn matches(format: &str, text: &str) -> bool {
        let regex = RegexAst::Regex(regex(format).unwrap());
        compiled(&regex).unwrap().is_match(text)
    }

    #[test]
    fn formats_match_what_readers_read() {
        for (format, good, bad) in [
            ("date", "2024-02-29", "2023-02-29"),
            ("date", "2000-02-29", "1900-02-29"),
            ("date", "2023-12-31", "0000-12-31"),
            (
                "date-time",
                "2024-01-31T23:59:59.5Z",
                "2024-01-31T23:59:60Z",
            ),
            (
                "date-time",
                "0001-05-24T10:55:59+02:00",
                "0000-05-24t10:55:60z",
            ),
            ("time", "08:30:06Z", "8:30:06Z"),
            ("duration", "P4DT12H30M5S", "P4DT"),
            ("email", "joe.b@example.com", "joe..b@example.com"),
            ("hostname", "www.example.com", "-a.com"),
            ("ipv4", "127.0.0.255", "127.0.0.256"),
            ("ipv6", "::1", ":1"),
            ("ipv6", "1::", "1::2::3"),
            ("ipv6", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9"),
            ("ip", "10.0.0.1", "10.0.0"),
            (
                "uuid",
                "2EB8AA08-AA98-11EA-B4AA-73B441D16380",
                "2eb8aa08-aa98-11ea",
            ),
            ("uri", "http://foo.bar/?baz=qux#quux", "//foo.bar"),
            ("uri", "mailto:a@b.c", "http://a b"),
            ("json-pointer", "/foo/0/a~1b", "foo"),
            ("byte", "aGk=", "aGk"),
            ("base64url", "aGk", "a+b"),
            ("ulid", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3"),
            ("url", "https://example.com", "example"),
        ] {
            assert!(matches(format, good), "{format}: {good}");
            assert!(!matches(format, bad), "{format}: {bad}");
        }
    }

    #[test]
    fn addresses_are_read_by_the_standard_library() {
        for text in [
            "::",
            "1::",
            "::2",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "a::b:c",
        ] {
            assert!(matches("ipv6", text), "{text}");
            text.parse::<std::net::Ipv6Addr>().unwrap();
        }
    }

    #[test]
    fn all_known_formats_have_an_expression() {
        for format in KNOWN {
            assert!(regex(format).is_some(), "{format}");
        }
        assert_eq!(regex("password"), None);
    }
}
