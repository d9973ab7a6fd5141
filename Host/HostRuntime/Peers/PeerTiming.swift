import HostCore

/// How long links wait for what. Shorter finds trouble sooner, and takes what is only slow for it.
struct PeerTiming: Sendable {
  /// From the beginning of a connection until it is the link: TCP, TLS and hellos.
  var connectMilliseconds: Int64 = 5_000
  /// Between two pings. They also measure the round trip.
  var pingMilliseconds: Int64 = 1_000
  /// A link over which nothing came for so long is dead.
  var silenceMilliseconds: Int64 = 5_000
  /// How long a link rests for a role whose inbox is full before it goes on without that role. Less than the silence
  /// that the other side takes for death.
  var patienceMilliseconds: Int64 = 1_000
  /// How long a link has to answer when another node with the same id knocks.
  var probeMilliseconds: Int64 = 1_000
  /// The node with the higher id lets the other one dial first, so that they do not meet in the middle.
  var courtesyMilliseconds: Int64 = 250
  var backoff = Backoff(firstMilliseconds: 100, mostMilliseconds: 5_000)
}
