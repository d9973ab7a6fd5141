import Simulator

/// The same question, answered by trying every order: slow, and too simple to be wrong.
struct BruteForce {
  private let operations: [History.Operation]

  init(_ history: History) { operations = history.operations.filter { !$0.isWithdrawn } }

  func isLinearizable() -> Bool { canEnd([], value: "") }

  /// Whether what is not placed yet can follow.
  private func canEnd(_ placed: Set<Int>, value: String) -> Bool {
    let left = operations.indices.filter { !placed.contains($0) }
    if left.allSatisfy({ operations[$0].endPlace == nil }) { return true }
    return left.contains { index in
      let operation = operations[index]
      let mustWait = left.contains { (operations[$0].endPlace ?? .max) < operation.startPlace }
      guard !mustWait else { return false }
      switch operation.request {
      case .write(let written): return canEnd(placed.union([index]), value: written)
      case .read:
        return (operation.answer ?? value) == value && canEnd(placed.union([index]), value: value)
      }
    }
  }
}
