/// How long requests and calls to others wait before they are tried again, as gRPC asks its clients to: each time 1.6
/// times longer, and a fifth more or less, so that many do not come back at the same moment. Roles and links, which are
/// few, wait by `Backoff`.
enum RetryPause {
  static func nanoseconds(_ failures: Int, from first: Int64, to last: Int64) -> Int64 {
    var delay = Double(first)
    for _ in 0..<min(failures, 64) where delay < Double(last) { delay *= 1.6 }
    var source = HostRandom()
    return Int64(min(delay, Double(last)) * Double.random(in: 0.8...1.2, using: &source))
  }
}
