//! Arguments of Python's functions, which a caller may give by place or by name.

use minijinja::{Error, ErrorKind, Value};

/// The arguments in the order of `names`.
///
/// # Errors
///
/// An argument that the function does not have, or that is given twice.
pub(super) fn named<const N: usize>(
    arguments: &[Value],
    names: [&str; N],
) -> Result<[Option<Value>; N], Error> {
    let (by_place, by_name) = match arguments.split_last() {
        Some((last, before)) if last.is_kwargs() => (before, Some(last)),
        _ => (arguments, None),
    };
    if by_place.len() > N {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let mut found: [Option<Value>; N] = std::array::from_fn(|at| by_place.get(at).cloned());
    let Some(by_name) = by_name else {
        return Ok(found);
    };
    for name in by_name.try_iter()? {
        let place = names.iter().position(|known| name.as_str() == Some(known));
        let place = place.and_then(|at| found.get_mut(at));
        match place {
            Some(place @ None) => *place = Some(by_name.get_item(&name)?),
            Some(Some(_)) => {
                let told = format!("argument `{name}` is given twice");
                return Err(Error::new(ErrorKind::TooManyArguments, told));
            }
            None => {
                let told = format!("there is no argument `{name}`");
                return Err(Error::new(ErrorKind::TooManyArguments, told));
            }
        }
    }
    Ok(found)
}

/// A whole number that is not negative, or `default` if there is none.
pub(super) fn size(given: Option<&Value>, default: usize) -> Result<usize, Error> {
    match given {
        None => Ok(default),
        Some(value) => usize::try_from(value.clone()),
    }
}

/// A text, or `default` if there is none.
pub(super) fn text<'a>(given: Option<&'a Value>, default: &'a str) -> Result<&'a str, Error> {
    match given {
        None => Ok(default),
        Some(value) => value.as_str().ok_or_else(|| {
            let told = format!("it gives a {} where a text is needed", value.kind());
            Error::new(ErrorKind::InvalidOperation, told)
        }),
    }
}

/// A truth value, or false if there is none.
pub(super) fn truth(given: Option<&Value>) -> bool {
    given.is_some_and(Value::is_true)
}
