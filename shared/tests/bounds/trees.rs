//! Nodes and shapes: one to seven bits a level, at most four levels.

use keyward_shared::snapshot::{DecodeError, MAX_LEVELS, Node, Place, Shape};

use crate::fixtures::{STAMP, name, origin};

#[test]
fn a_node_has_two_to_the_bits_children() {
    for (bits, children) in [(0, 1), (8, 256), (2, 3), (2, 5), (1, 0)] {
        let names = vec![name(1); children];
        let bytes = Node::encode(origin(), Place::ROOT, STAMP, bits, &names);
        assert!(bytes.is_none(), "{bits} bits, {children} children");
    }
    let bytes = Node::encode(origin(), Place::ROOT, STAMP, 7, &[name(1); 128]).expect("128");
    assert!(Node::decode(&bytes, origin(), Place::ROOT).is_ok());
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(Node::decode(&longer, origin(), Place::ROOT), Err(DecodeError::Trailing { extra: 1 }));
    longer.resize(9 * 1024, 0);
    assert!(matches!(Node::decode(&longer, origin(), Place::ROOT), Err(DecodeError::TooLarge { .. })));
}

#[test]
fn a_shape_has_at_most_four_levels_of_one_to_seven_bits() {
    assert!(Shape::new(vec![7; MAX_LEVELS]).is_some());
    for levels in [vec![1; MAX_LEVELS + 1], vec![8], vec![3, 0], vec![255]] {
        assert!(Shape::new(levels.clone()).is_none(), "{levels:?}");
    }
    for depth in 0..=28 {
        let shape = Shape::of_depth(depth);
        assert_eq!(shape.depth(), depth);
        assert_eq!(Shape::new(shape.levels().to_vec()), Some(shape));
    }
    assert_eq!(Shape::of_depth(255).depth(), 28);
}
