import HostCore

/// Why a command did not do what was asked, from what was tried down to the cause, and what to do next.
struct CommandFailure: Error {
  var chain: [String]
  var remedy: String?
  var code: ExitCode

  init(_ chain: String..., remedy: String? = nil, code: ExitCode = .failure) {
    self.chain = chain
    self.remedy = remedy
    self.code = code
  }

  init(_ failure: ControlFailure) {
    chain = [failure.place, failure.code.name, failure.message].filter { !$0.isEmpty }
    code = .failure
  }

  /// For stderr. What came from the node cannot steer the terminal.
  var text: String {
    let lines = chain.joined(separator: ": ").split(separator: "\n", omittingEmptySubsequences: false)
    let words = lines.map { TextLayout.harmless(String($0)) }.joined(separator: "\n  ")
    return "hostctl: \(words)\n" + (remedy.map { "  \($0)\n" } ?? "")
  }
}
