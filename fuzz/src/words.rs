//! Inputs in which a byte can stand for a word, so that a few bytes lead deep into a grammar.

/// Replaces each byte from 0x80 up that has a word by that word; 0x7f lets the next byte stand for itself.
pub(crate) fn expand(input: &[u8], words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = input.iter();
    let mut expanded = Vec::with_capacity(2 * input.len());
    while let Some(&byte) = bytes.next() {
        match byte {
            0x7f => expanded.extend(bytes.next()),
            0x80.. => match words.get(usize::from(byte - 0x80)) {
                Some(word) => expanded.extend_from_slice(word),
                None => expanded.push(byte),
            },
            byte => expanded.push(byte),
        }
    }
    expanded
}
