//! Which file is mapped at an address, from `/proc/self/maps`, without allocating.

use std::ffi::c_int;

/// A range of addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) begin: usize,
    /// The first address after it.
    pub(super) end: usize,
    /// The device of its file, as major and minor number.
    pub(super) device: u64,
    /// The file's inode. 0: the memory is no file's.
    pub(super) inode: u64,
}

/// The range that an address is in. Signal handlers may call this.
pub(super) fn area_of(address: usize) -> Option<Area> {
    // SAFETY: the path is NUL-terminated; the descriptor is closed below.
    let maps = unsafe {
        libc::open(
            c"/proc/self/maps".as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        )
    };
    if maps < 0 {
        return None;
    }
    let found = search(maps, address);
    // SAFETY: it was opened above.
    unsafe { libc::close(maps) };
    found
}

fn search(maps: c_int, address: usize) -> Option<Area> {
    let mut lines = Lines::default();
    let mut buffer = [0u8; 1024];
    loop {
        // SAFETY: the buffer has as many bytes as the call may write.
        let read = unsafe { libc::read(maps, buffer.as_mut_ptr().cast(), buffer.len()) };
        let read = usize::try_from(read).ok().filter(|&read| read > 0)?;
        for &byte in buffer.iter().take(read) {
            let area = lines.next(byte);
            if let Some(area) = area
                && (area.begin..area.end).contains(&address)
            {
                return Some(area);
            }
        }
    }
}

/// Reads lines such as `7f00-7f10 r--s 00000000 fe:01 1234   /a/path`, byte by byte.
#[derive(Debug, Default)]
struct Lines {
    /// The number of the field that the next byte is in: begin, end, permissions, offset, major
    /// and minor number of the device, inode, path.
    field: u8,
    area: Area,
}

impl Lines {
    /// The area of the line that ends with this byte, if one does.
    fn next(&mut self, byte: u8) -> Option<Area> {
        if byte == b'\n' {
            let Self { area, .. } = std::mem::take(self);
            return Some(area);
        }
        let digit = char::from(byte).to_digit(16);
        let area = &mut self.area;
        match (self.field, byte, digit) {
            (0, b'-', _) | (4, b':', _) | (1 | 2 | 3 | 5 | 6, b' ', _) => {
                if self.field == 4 {
                    area.device <<= 32;
                }
                self.field += 1;
            }
            (0, _, Some(digit)) => area.begin = area.begin << 4 | digit as usize,
            (1, _, Some(digit)) => area.end = area.end << 4 | digit as usize,
            (4, _, Some(digit)) => area.device = area.device << 4 | u64::from(digit),
            (5, _, Some(digit)) => {
                let minor = (area.device & u64::from(u32::MAX)) << 4 | u64::from(digit);
                area.device = area.device >> 32 << 32 | minor;
            }
            (6, _, Some(digit)) => {
                area.inode = area.inode.wrapping_mul(10).wrapping_add(u64::from(digit));
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whatever_is_in_their_paths() {
        let text = b"7f00-7f10 r--s 00001000 fe:01 1234     /a/b c:-\xff\n\
            ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n\
            10-20 rw-p 00000000 103:0a 18446744073709551615\n";
        let mut lines = Lines::default();
        let areas: Vec<_> = text.iter().filter_map(|&byte| lines.next(byte)).collect();
        let area = |begin, end, major: u64, minor, inode| Area {
            begin,
            end,
            device: major << 32 | minor,
            inode,
        };
        assert_eq!(
            areas,
            [
                area(0x7f00, 0x7f10, 0xfe, 1, 1234),
                area(0xffff_ffff_ff60_0000, 0xffff_ffff_ff60_1000, 0, 0, 0),
                area(0x10, 0x20, 0x103, 10, u64::MAX),
            ]
        );
    }

    #[test]
    fn memory_of_this_process_is_found() {
        let local = 1u8;
        let address = (&raw const local).addr();
        let area = area_of(address).unwrap();
        assert!((area.begin..area.end).contains(&address));
        assert_eq!(area.inode, 0);
        assert_eq!(area_of(1), None);
    }
}
