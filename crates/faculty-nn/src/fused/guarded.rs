//! Memory between two pages that may not be touched: a kernel that reads or writes past its slice crashes.

use std::ops::{Deref, DerefMut};

/// At which guard page the elements lie; at the other side there may be unused bytes between.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edge {
    /// The first element follows a guard page.
    Front,
    /// A guard page follows the last element.
    Back,
}

impl Edge {
    pub(super) const BOTH: [Self; 2] = [Self::Front, Self::Back];
}

/// A slice at the edge of a guard page.
pub(super) struct Guarded<T> {
    mapping: *mut libc::c_void,
    mapped: usize,
    data: *mut T,
    len: usize,
}

impl<T: Copy + Default> Guarded<T> {
    /// `len` default values.
    pub(super) fn new(len: usize, edge: Edge) -> Self {
        // SAFETY: sysconf reads a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let bytes = len * size_of::<T>();
        let inside = bytes.next_multiple_of(page);
        let mapped = inside + 2 * page;
        // SAFETY: a fresh private mapping at an address of the kernel's choice overlaps nothing.
        let mapping = unsafe {
            libc::mmap(std::ptr::null_mut(), mapped, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANON, -1, 0)
        };
        assert_ne!(mapping, libc::MAP_FAILED, "mmap");
        // SAFETY: the first page is inside the mapping, which is `inside` plus two pages long.
        let first = unsafe { mapping.cast::<u8>().add(page) };
        // SAFETY: `inside` bytes behind the first page belong to the mapping.
        let allowed = unsafe { libc::mprotect(first.cast(), inside, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(allowed, 0, "mprotect");
        let shift = match edge {
            Edge::Front => 0,
            Edge::Back => inside - bytes,
        };
        // SAFETY: `shift` plus `bytes` is at most `inside`.
        let data = unsafe { first.add(shift) }.cast::<T>();
        // A page's address less a multiple of an element's size.
        assert!(data.is_aligned());
        for index in 0..len {
            // SAFETY: element `index` lies inside the `bytes` bytes that may be written.
            unsafe { data.add(index).write(T::default()) };
        }
        Self { mapping, mapped, data, len }
    }

    /// A copy of `values`.
    pub(super) fn of(values: &[T], edge: Edge) -> Self {
        let mut memory = Self::new(values.len(), edge);
        memory.copy_from_slice(values);
        memory
    }
}

impl<T> Deref for Guarded<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: `new` wrote `len` elements at `data`, which live as long as the mapping does.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl<T> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `self` is borrowed mutably and nothing else points into the mapping.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.len) }
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is `mapped` bytes long and no reference into it is left.
        let unmapped = unsafe { libc::munmap(self.mapping, self.mapped) };
        assert_eq!(unmapped, 0, "munmap");
    }
}

mod tests {
    use super::super::matrix::{View, multiply};
    use super::{Edge, Guarded};
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn guarded_memory_holds_its_elements() {
        for edge in Edge::BOTH {
            for len in [0, 1, 3, 1024, 5000] {
                let mut memory = Guarded::<u16>::new(len, edge);
                assert!(memory.iter().all(|value| *value == 0));
                memory.iter_mut().zip(0..).for_each(|(value, index)| *value = index);
                assert!(memory.iter().copied().eq((0..).take(len)));
            }
            assert_eq!(*Guarded::of(&[1.5_f32, 2.5], edge), [1.5, 2.5]);
        }
    }

    /// Crashes, and is therefore run in a process of its own by the test below.
    #[test]
    #[ignore = "crashes on purpose; reading_past_a_guarded_slice_crashes runs it"]
    fn crash() {
        let outside = match std::env::var("FACULTY_GUARD_EDGE").as_deref() {
            // SAFETY: none: this is the mistake that guard pages are there to catch.
            Ok("front") => unsafe { Guarded::<f32>::new(3, Edge::Front).as_ptr().sub(1).read_volatile() },
            // SAFETY: none, as above.
            Ok("back") => unsafe { Guarded::<f32>::new(3, Edge::Back).as_ptr().add(3).read_volatile() },
            _ => return,
        };
        assert!(outside.is_nan(), "read {outside}");
    }

    #[test]
    fn reading_past_a_guarded_slice_crashes() -> std::io::Result<()> {
        for edge in ["front", "back"] {
            let status = std::process::Command::new(std::env::current_exe()?)
                .args(["--exact", "fused::guarded::tests::crash", "--ignored"])
                .env("FACULTY_GUARD_EDGE", edge)
                .output()?
                .status;
            assert!(matches!(status.signal(), Some(libc::SIGSEGV | libc::SIGBUS)), "{edge}: {status}");
        }
        Ok(())
    }

    #[test]
    fn matrix_products_stay_inside_their_slices() {
        for (m, n, k) in [(1, 1, 1), (3, 5, 7), (16, 16, 16), (17, 33, 9), (50, 1, 40), (1, 70, 3)] {
            for edge in Edge::BOTH {
                let a = Guarded::of(&vec![1.0_f32; m * k], edge);
                let b = Guarded::of(&vec![2.0_f32; k * n], edge);
                let mut out = Guarded::<f32>::new(m * n, edge);
                let expected = 2.0 * k as f32;
                multiply(&mut out, View::new(&a, m, k), View::new(&b, k, n), false);
                assert!(out.iter().all(|value| *value == expected));
                multiply(&mut out, View::new(&a, k, m).t(), View::new(&b, n, k).t(), true);
                assert!(out.iter().all(|value| *value == 2.0 * expected));
                assert!(View::new(&a, m, k).transposed().iter().all(|value| *value == 1.0));
            }
        }
    }
}
