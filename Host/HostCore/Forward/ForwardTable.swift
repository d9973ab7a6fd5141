/// What a forward table says: requests whose path begins with `prefix` go to the upstreams, in proportion to their
/// weights. See http.h; how it is read stands in ForwardTableReader.
package struct ForwardTable: Sendable, Equatable {
  package struct Upstream: Sendable, Equatable {
    package var id: String
    /// Without a path of its own.
    package var url: HTTPURL
    /// 0 gets requests only by a rule.
    package var weight: Int
  }

  /// By what a client is always led to the same upstream.
  package enum Sticky: Sendable, Equatable {
    case header(String)
    case cookie(String)
    /// The client's address.
    case source
  }

  /// Requests with this header go to some of the upstreams only.
  package struct Rule: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
      case any
      case exact(String)
      case prefix(String)
    }
    package var header: String
    package var value: Value
    /// Places in `upstreams`.
    package var upstreams: [Int]
  }

  package struct Mirror: Sendable, Equatable {
    package var url: HTTPURL
    package var percent: Double
  }

  package struct Retries: Sendable, Equatable {
    /// Of one request, on other upstreams.
    package var count = 1
    /// Of all requests, how many retries may come with them; so retries cannot multiply the load on what is failing.
    package var budgetPercent = 20.0
  }

  package struct Health: Sendable, Equatable {
    package var path: String
    package var intervalMilliseconds: Int64 = 2_000
    package var timeoutMilliseconds: Int64 = 1_000
    /// So many good answers in a row and an upstream counts as healthy again.
    package var healthy = 2
    package var unhealthy = 3
  }

  package struct Ejection: Sendable, Equatable {
    /// Failures in a row, from all clients: no connection, no answer, or a 5xx.
    package var failures = 5
    package var milliseconds: Int64 = 10_000
    /// Of the upstreams, how many may be out at once.
    package var mostPercent = 50
  }

  /// The circuit breaker: an upstream that has all of it is passed over.
  package struct Limits: Sendable, Equatable {
    /// At one upstream at once, from all loops; over HTTP/1.1 each has a connection of its own.
    package var requests: Int
  }

  package enum Host: String, Sendable, Equatable, CaseIterable {
    /// What the client sent.
    case client
    /// The upstream's own, from its URL.
    case upstream
  }

  package var listener = ""
  package var prefix = "/"
  package var upstreams: [Upstream] = []
  package var sticky: Sticky?
  package var rules: [Rule] = []
  package var mirror: Mirror?
  /// To the head of the answer, and between two pieces of a body.
  package var timeoutMilliseconds: Int64 = 30_000
  package var retries = Retries()
  package var health: Health?
  package var ejection: Ejection?
  package var limits: Limits?
  package var host = Host.client
  /// The header of each answer that names its upstream, in lower case.
  package var nameHeader: String?

  package static let upstreamLimit = 64
  package static let ruleLimit = 64
}
