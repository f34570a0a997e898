//! What the index's door knows of the content of a file.

use crate::kit::{Kit, wheel};

#[tokio::test]
async fn j6_a_wheel_that_imports_what_it_does_not_hold_is_refused_with_nothing_left() {
    let kit = Kit::new().await;
    let before = kit.stored().await;
    let salt = "\"\nfrom .gone import x\nREST = \"";
    let response = kit.upload(&wheel("demo", "1.0", salt)).await;
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 400, "{text}");
    assert!(text.contains("`demo` imports `demo.gone`, which the distribution does not hold"), "{text}");
    assert_eq!(kit.stored().await, before);

    let salt = "\"\ntry:\n    from .gone import x\nexcept ImportError:\n    x = None\nREST = \"";
    let response = kit.upload(&wheel("demo", "1.0", salt)).await;
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
}
