//! What a reader makes of a file that is rewritten while it reads.

use super::*;

#[test]
fn a_long_read_is_given_up_where_the_file_was_rewritten_meanwhile() {
    let file = tempfile::tempfile().expect("a file");
    let old = "a line of the old content\n".repeat(1_000).into_bytes();
    file.write_all_at(&old, 0).expect("write");
    let (from, lead) = (100, OVERLAP_BYTES);
    let read = &old[from as usize..];
    let holds = |read| is_of_one_moment(&file, read, from, lead).expect("readable");
    assert!(holds(read), "nothing has changed");
    file.set_len(0).expect("truncate");
    assert!(!holds(read), "nothing stands there");
    let new = "another content, and more of it\n".repeat(1_000);
    file.write_all_at(new.as_bytes(), 0).expect("rewrite");
    assert!(!holds(read), "something else stands there");
    assert!(holds(&read[..PAGE_BYTES]), "the kernel copied it at once");
}
