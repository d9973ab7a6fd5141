/// The steps of a swap of one or several roles, as a state machine without a clock, a thread or a plugin.
///
///     checking -> creating -> quieting -> moving -> flipped -> done
///
/// Every step is a barrier: the next begins when all members have done this one. Before the flip, any member's failure
/// undoes the step for all, and the old instances go on as if nothing had happened. After it, the old instances are
/// kept, paused, until probation is over; a fault then brings all of them back.
package struct SwapProtocol: Sendable {
  package enum Step: String, Sendable, CaseIterable {
    /// The new builds are copied, examined, tried in another process, opened.
    case checking
    /// New instances are created beside the old, which serve.
    case creating
    /// New calls wait; those under way end.
    case quieting
    /// The old instances save, the new ones load and start.
    case moving
    /// The new instances serve; the old are kept.
    case probation
    case done
  }

  package enum Event: Sendable {
    /// A member has done the current step.
    case did(String)
    /// A member runs that build already, and takes no part.
    case unchanged(String)
    /// A member could not, or gave up on probation.
    case failed(String, reason: String)
    case probationOver
    /// Somebody wants the members for something else: the next swap, a restart, the end of the node.
    case interrupted
  }

  package enum Directive: Sendable, Equatable {
    /// Begin a step with all members.
    case begin(Step)
    /// All have moved: the new instances take over, and waiting calls go to them.
    case flip
    /// The new instances go; the old serve on, and waiting calls go to them.
    case abort(reason: String)
    /// The old instances come back; the new go.
    case revert(reason: String)
    /// The old instances go for good.
    case retire
    /// No member has anything to swap.
    case nothingToDo
  }

  package private(set) var step = Step.checking
  package private(set) var members: Set<String>
  private var waiting: Set<String>

  package init(_ members: [String]) {
    self.members = Set(members)
    waiting = self.members
  }

  package mutating func handle(_ event: Event) -> [Directive] {
    switch (step, event) {
    case (.done, _): return []
    case (.probation, .failed(let name, let reason)): return end(.revert(reason: "\(name): \(reason)"))
    case (.probation, .probationOver), (.probation, .interrupted): return end(.retire)
    case (.probation, .did), (_, .probationOver): return []
    case (.checking, .unchanged(let name)):
      members.remove(name)
      waiting.remove(name)
      if members.isEmpty { return end(.nothingToDo) }
      return waiting.isEmpty ? next() : []
    case (_, .unchanged): return []
    case (_, .did(let name)):
      guard waiting.remove(name) != nil, waiting.isEmpty else { return [] }
      return next()
    case (_, .failed(let name, let reason)): return end(.abort(reason: "\(name): \(reason)"))
    case (_, .interrupted): return end(.abort(reason: "interrupted while \(step.rawValue)"))
    }
  }

  private mutating func next() -> [Directive] {
    waiting = members
    switch step {
    case .checking: step = .creating
    case .creating: step = .quieting
    case .quieting: step = .moving
    default:
      step = .probation
      return [.flip]
    }
    return [.begin(step)]
  }

  private mutating func end(_ directive: Directive) -> [Directive] {
    step = .done
    return [directive]
  }
}
