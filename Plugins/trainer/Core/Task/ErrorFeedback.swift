internal import Tensors

/// What lossy updates have left out, for each session: it is added to the next one.
///
/// A task that is asked for again is the same work, so it begins again with what was left out before it. And an update
/// that did not get away leaves nothing behind.
struct ErrorFeedback {
  private struct Left {
    let session: String
    let form: String
    var ticket: UInt64
    var before: FloatBuffer?
    var after: FloatBuffer?
  }

  private var sessions: [Left] = []
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  var count: Int { sessions.count }

  /// What the encoder for this ticket begins with.
  func residual(_ session: String, _ form: String, ticket: UInt64) -> FloatBuffer? {
    guard let left = sessions.first(where: { $0.session == session && $0.form == form }) else { return nil }
    return left.ticket == ticket ? left.before : left.after
  }

  /// The update has gone.
  mutating func sent(_ session: String, _ form: String, ticket: UInt64, left after: FloatBuffer?) {
    guard let after else { return }
    let before = residual(session, form, ticket: ticket)
    sessions.removeAll { $0.session == session }
    if sessions.count >= limit { sessions.removeFirst() }
    sessions.append(Left(session: session, form: form, ticket: ticket, before: before, after: after))
  }
}
