//! Checks the normalisation table of a `t5` tokenizer (`tokenizer.ggml.precompiled_charsmap`).
//!
//! llama.cpp walks it for each prompt and throws a C++ exception where it leads outside
//! (`normalize_prefix` in `llama-vocab.cpp`), which ends the process. This walks every path that a
//! text can take.

use super::error::GgufProblem;

/// The bit of a node that holds the place of a replacement.
const VALUE: u32 = 0x8000_0000;
/// The bits of a node that say by which byte it is reached.
const LABEL: u32 = 0x8000_00FF;

/// Checks the table: a length, a compact double array of that many bytes, and replacements that end
/// in a zero byte each.
pub(super) fn check(table: &[u8]) -> Result<(), GgufProblem> {
    let Some((length, rest)) = table.split_first_chunk::<4>() else {
        return Err(wrong("is too short for its length"));
    };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    // llama.cpp refuses a table without replacements.
    if length >= rest.len() {
        return Err(wrong("is shorter than it says"));
    }
    let (nodes, replacements) = rest.split_at(length);
    let nodes: Vec<u32> = nodes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|node| u32::from_le_bytes(*node))
        .collect();
    if nodes.is_empty() {
        return Ok(());
    }
    // A replacement that begins after the last zero byte has no end.
    let ends = replacements.iter().rposition(|&byte| byte == 0);
    let node = |index: u32| nodes.get(index as usize).copied();
    let mut was_at = vec![false; nodes.len()];
    let mut open = vec![base(node(0).unwrap_or(0))];
    while let Some(at) = open.pop() {
        for byte in 1..=255u32 {
            let child = at ^ byte;
            let Some(found) = node(child) else {
                return Err(wrong("leads outside of its array"));
            };
            if found & LABEL != byte {
                continue;
            }
            let next = child ^ base(found);
            let is_leaf = found >> 8 & 1 == 1;
            if is_leaf {
                let Some(value) = node(next) else {
                    return Err(wrong("leads outside of its array"));
                };
                let value = (value & !VALUE) as usize;
                if ends.is_none_or(|end| value > end) {
                    return Err(wrong("has a replacement without an end"));
                }
            }
            match was_at.get_mut(child as usize) {
                Some(was_here) if !*was_here => {
                    *was_here = true;
                    open.push(next);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The distance from a node to its children (`get_base`).
fn base(node: u32) -> u32 {
    (node >> 10) << ((node & 1 << 9) >> 6)
}

fn wrong(what: &str) -> GgufProblem {
    GgufProblem::Unusable(format!("`tokenizer.ggml.precompiled_charsmap` {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that replaces `a` by what begins at `value` of the replacements.
    fn table(value: u32, replacements: &[u8]) -> Vec<u8> {
        let mut nodes = vec![0u32; 512];
        // The root's children begin at 256, where the value of `a` lies at its distance of 1.
        nodes[0] = 256 << 10;
        nodes[256 ^ 0x61] = 1 << 10 | 1 << 8 | 0x61;
        nodes[256 ^ 0x61 ^ 1] = 1 << 31 | value;
        built(&nodes, replacements)
    }

    fn built(nodes: &[u32], replacements: &[u8]) -> Vec<u8> {
        let length = u32::try_from(nodes.len() * 4).unwrap();
        let nodes = nodes.iter().flat_map(|node| node.to_le_bytes());
        let length = length.to_le_bytes().into_iter();
        length
            .chain(nodes)
            .chain(replacements.iter().copied())
            .collect()
    }

    #[test]
    fn every_path_stays_inside() {
        check(&table(0, b"b\0")).unwrap();
        check(&table(1, b"b\0")).unwrap();
        for (value, replacements) in [(2, &b"b\0"[..]), (0, b"b"), (2, b"b\0c")] {
            let problem = check(&table(value, replacements)).unwrap_err().to_string();
            assert!(problem.contains("without an end"), "{problem}");
        }
        let root_leads_out = built(&[512 << 10; 512], b"\0");
        let problem = check(&root_leads_out).unwrap_err().to_string();
        assert!(problem.contains("outside"), "{problem}");
        for short in [&b"\0\0\0"[..], &[4, 0, 0, 0, 1, 1, 1, 1], &[255; 64]] {
            check(short).unwrap_err();
        }
    }

    #[test]
    fn a_table_without_nodes_replaces_nothing() {
        check(&built(&[], b"b")).unwrap();
        // A part of a node is none.
        check(&[3, 0, 0, 0, 1, 1, 1, 0]).unwrap();
    }

    #[test]
    fn the_distance_to_children_has_22_bits_or_is_256_times_as_far() {
        assert_eq!(base(5 << 10 | 0x1FF), 5);
        assert_eq!(base(5 << 10 | 1 << 9), 5 << 8);
    }

    /// A node that has no child at the end of the table is checked at each place below it.
    #[test]
    fn a_path_of_several_bytes_stays_inside() {
        let path = |second: u32| {
            let mut nodes = vec![0u32; 768];
            nodes[0] = 256 << 10;
            let first = 256 ^ 0x61;
            // The children of `a`, at a distance that leads to `second`.
            nodes[first as usize] = (first ^ second) << 10 | 0x61;
            nodes[(second ^ 0x62) as usize & 767] = 0x62;
            check(&built(&nodes, b"\0")).is_ok()
        };
        assert!(path(512));
        assert!(!path(768));
    }

    /// The value of a replacement looks like a child with another label.
    #[test]
    fn what_holds_a_value_is_no_child() {
        let mut nodes = vec![0u32; 512];
        nodes[0] = 257 << 10;
        nodes[257 ^ 0x61] = VALUE | 0x3FF << 10 | 0x61;
        check(&built(&nodes, b"\0")).unwrap();
        nodes[257 ^ 0x61] ^= VALUE;
        check(&built(&nodes, b"\0")).unwrap_err();
    }

    #[test]
    fn a_path_that_leads_back_ends() {
        let mut nodes = vec![0u32; 512];
        nodes[0] = 256 << 10;
        let first = 256 ^ 0x61;
        // Its children are those of the root.
        nodes[first as usize] = (first ^ 256) << 10 | 0x61;
        check(&built(&nodes, b"\0")).unwrap();
    }
}
