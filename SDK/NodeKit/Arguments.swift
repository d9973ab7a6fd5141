internal import CNodeABI

/// A call on its way into a method: what the caller sent, taken one parameter after the other.
public struct Arguments {
  private let slots: UnsafePointer<nh_slot>?
  private let declaration: MethodDeclaration
  private let call: nh_call
  private let link: HostLink
  private var taken = 0
  private var later: (any OpenReply)?

  init(_ slots: UnsafePointer<nh_slot>?, of call: nh_call, _ declaration: MethodDeclaration, _ link: HostLink) {
    self.slots = slots
    self.call = call
    self.declaration = declaration
    self.link = link
  }

  mutating func next<Wanted: MethodValue>() throws -> Wanted {
    let place = taken
    taken += 1
    guard let slots, let value = Value(slots[place], Wanted.valueType) else {
      throw fault(place, "its pointer is missing")
    }
    do {
      return try Wanted(value)
    } catch {
      throw fault(place, RoleError(error).description)
    }
  }

  mutating func reply<Result: MethodValue>() -> Reply<Result> {
    let reply = Reply<Result>(call, method: declaration.name, link)
    later = reply
    return reply
  }

  @usableFromInline var isAnsweredLater: Bool { later != nil }

  /// Answers with what the method returned, or with what it threw.
  func answer(_ outcome: Result<Value?, any Error>) {
    switch outcome {
    case .success(let value?): link.answer(call, value, as: declaration.signature.result)
    case .success(nil): break
    case .failure(let error):
      if let later { later.fail(error) } else { link.refuse(call, RoleError(error)) }
    }
  }

  private func fault(_ place: Int, _ message: String) -> RoleError {
    RoleError(
      .invalidArgument, "\(declaration.name): parameter `\(declaration.parameterNames[place])`: \(message)",
      at: declaration.parameterNames[place])
  }
}
