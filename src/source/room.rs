//! The sizes in which memory is asked for that chunks are read into and encoded into.
//!
//! A thousand clients that catch up hold such memory for moments, each of a slightly different size. Where an allocator
//! gives out just as much, a place that was left is a little too small for the next one, and small things that live long
//! come to lie in what is left over between them: of a heap of 83 MiB, 52 were such places. In few sizes each place
//! is good for the next one.

/// Less than this comes and goes without that.
const SMALL_BYTES: usize = 4096;

/// So much is to be asked for where `bytes` are wanted: there are eight sizes between a power of two and the next.
pub fn room_for(bytes: usize) -> usize {
    if bytes < SMALL_BYTES {
        return bytes;
    }
    let step = (1 << bytes.ilog2()) / 8;
    bytes.next_multiple_of(step)
}

/// `bytes` in memory of such a size, or of a small one that is just enough.
pub fn in_its_room(mut bytes: Vec<u8>) -> Vec<u8> {
    let room = bytes.capacity();
    let is_good = room == room_for(room) && room <= room_for(bytes.len() + bytes.len() / 8);
    if bytes.len() < SMALL_BYTES {
        bytes.shrink_to_fit();
    } else if !is_good {
        let mut moved = Vec::with_capacity(room_for(bytes.len()));
        moved.extend_from_slice(&bytes);
        return moved;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_about_the_same_size_have_the_same_room() {
        assert_eq!(room_for(100), 100);
        assert_eq!(room_for(16_384), 16_384);
        let rooms = [16_449, 16_700, 16_932, 18_000].map(room_for);
        assert_eq!(rooms, [18_432; 4]);
        for bytes in [5_000, 70_000, 1_000_000] {
            let room = room_for(bytes);
            assert!(room >= bytes && room <= bytes + bytes / 8, "{bytes}");
            assert_eq!(room_for(room), room);
        }
    }

    #[test]
    fn what_was_encoded_stays_where_it_fits_and_moves_where_it_does_not() {
        let mut fits = Vec::with_capacity(room_for(16_932));
        fits.resize(16_658, b'x');
        let place = fits.as_ptr();
        let kept = in_its_room(fits);
        assert_eq!((kept.as_ptr(), kept.capacity()), (place, 18_432));
        let mut grown = vec![b'x'; 16_658];
        grown.reserve_exact(17_000);
        let moved = in_its_room(grown);
        assert_eq!((moved.len(), moved.capacity()), (16_658, 18_432));
        let mut small = Vec::with_capacity(1000);
        small.extend_from_slice(b"ten bytes.");
        assert_eq!(in_its_room(small).capacity(), 10);
    }
}
