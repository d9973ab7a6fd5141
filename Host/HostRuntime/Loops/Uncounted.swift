/// Hands `object` to `body` without counting the reference, which saves two atomic operations; a request would
/// otherwise have a hundred of them. For paths that every request takes, and only where something else keeps the object
/// alive until `body` returns: its owner, and not a field that `body` may set.
@inline(__always)
func uncounted<Object: AnyObject, Outcome, Failure: Error>(
  _ object: @autoclosure () -> Object, _ body: (Object) throws(Failure) -> Outcome
) throws(Failure) -> Outcome {
  // A step of its own: the reference that was read for it ends here, and not behind `body`.
  let kept = Unmanaged.passUnretained(object())
  let outcome = kept._withUnsafeGuaranteedRef { object -> Result<Outcome, Failure> in
    do throws(Failure) { return .success(try body(object)) } catch { return .failure(error) }
  }
  return try outcome.get()
}
