/// What is wrong with a link: the last of it for reports, and each once for the log, until the link comes up anew.
struct PeerComplaints {
  private(set) var last = ""
  private var said: Set<String> = []

  mutating func note(_ words: String) { last = words }

  /// Whether it should be logged; no longer once it has been, nor if there were too many others.
  mutating func isNew(_ words: String) -> Bool {
    said.insert(words).inserted && said.count <= PeerHub.complaintLimit
  }
}
