//! Cuts rows into batches.

use super::contract::Limits;

/// Cuts items into batches within the limits, in order; an item larger than a batch goes alone. `bytes` tells about how
/// many an item takes in the request.
pub fn batches<T: Copy>(items: &[T], limits: Limits, bytes: impl Fn(T) -> usize) -> Vec<Vec<T>> {
    let (mut batches, mut batch, mut size) = (Vec::new(), Vec::new(), 0);
    for item in items {
        let more = bytes(*item);
        if batch.len() == limits.batch_rows || (size + more > limits.batch_bytes && !batch.is_empty()) {
            batches.push(std::mem::take(&mut batch));
            size = 0;
        }
        size += more;
        batch.push(*item);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_rows_and_bytes() {
        let limits = Limits { batch_rows: 3, batch_bytes: 10, in_flight: 1, caution: None };
        let sizes = |items: &[usize]| batches(items, limits, |bytes| bytes);
        assert_eq!(sizes(&[1, 1, 1, 1]), [vec![1, 1, 1], vec![1]]);
        assert_eq!(sizes(&[6, 5, 20, 1]), [vec![6], vec![5], vec![20], vec![1]]);
        assert_eq!(sizes(&[]), Vec::<Vec<usize>>::new());
    }
}
