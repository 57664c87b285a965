//! The allocator's settings for a program that allocates and frees large blocks all the time.

/// Tells glibc's allocator to keep large blocks instead of giving them back: by default every tensor above 128 KiB is a
/// fresh mapping whose pages the kernel zeroes one fault at a time, about a sixth of a training step.
///
/// Blocks up to 32 MiB (glibc's limit) come from the heap, the heap is not trimmed below 2 GiB of free space, and grows by
/// 64 MiB at a time. Elsewhere this does nothing.
pub fn configure_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const MIB: libc::c_int = 1 << 20;
        let settings = [
            (libc::M_MMAP_THRESHOLD, 32 * MIB),
            (libc::M_TRIM_THRESHOLD, libc::c_int::MAX),
            (libc::M_TOP_PAD, 64 * MIB),
        ];
        for (parameter, value) in settings {
            // SAFETY: mallopt takes two integers and changes the allocator's own state under its own lock; it is called
            // at the start of main, before there is a second thread. A refused value (0 returned) leaves the default.
            let _ = unsafe { libc::mallopt(parameter, value) };
        }
    }
}
