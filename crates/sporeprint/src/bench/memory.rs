//! The most memory that this process held.

/// Forgets the peak so far, where the system lets a process do that (Linux).
pub(super) fn forget_peak() {
    // Refusal leaves the older, larger peak standing, which is still an upper bound.
    let _ = fs_err::write("/proc/self/clear_refs", "5");
}

/// Most bytes resident since [`forget_peak`], or nothing where the system does not tell.
pub(super) fn peak_bytes() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn a_large_buffer_shows_in_the_peak() {
        super::forget_peak();
        let before = super::peak_bytes().expect("Linux tells");
        let buffer = vec![1u8; 64 << 20];
        assert!(buffer.iter().step_by(4096).all(|&byte| byte == 1));
        let after = super::peak_bytes().expect("Linux tells");
        assert!(after >= before + (48 << 20), "{before} bytes before, {after} after 64 MiB more");
    }
}
