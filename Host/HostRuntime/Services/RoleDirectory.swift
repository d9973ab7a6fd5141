import CNodeABI
import HostCore
import NodeSchema
import NodeValues
import Synchronization

/// Which role instance stands behind a name, for calls from anywhere. A restart or swap puts another
/// instance behind the same name.
final class RoleDirectory: Sendable {
  private struct State {
    var byName: [String: RoleInstance] = [:]
    /// All names of the manifest, running or not, to tell "not running" from "no such role".
    var known: Set<String> = []
  }
  private let state = Mutex(State())

  func setKnown(_ names: Set<String>) { state.withLock { $0.known = names } }
  func put(_ role: RoleInstance) { state.withLock { $0.byName[role.name] = role } }

  func remove(_ role: RoleInstance) {
    state.withLock { if $0.byName[role.name] === role { $0.byName[role.name] = nil } }
  }

  /// A running role by its name, else the first by name that provides `target` as an id.
  func find(_ target: String) -> RoleInstance? {
    state.withLock { state in
      state.byName[target]
        ?? state.byName.values.filter { $0.description.provides.contains(target) }.min { $0.name < $1.name }
    }
  }

  func isKnown(_ name: String) -> Bool { state.withLock { $0.known.contains(name) } }
  var names: [String] { state.withLock { $0.known.sorted() } }
  var all: [RoleInstance] { state.withLock { $0.byName.values.sorted { $0.name < $1.name } } }
}

/// Calls of one role by another, from this node or another.
extension RoleDirectory {
  struct Refusal: Error {
    var status: nh_status
    var message: String
  }

  struct Method {
    var role: RoleInstance
    var method: PreparedMethod

    func fitting(_ arguments: PeerRequest.Arguments) throws(Refusal) -> [Value] {
      switch arguments {
      case .values(let values): return try fitting(values)
      case .written(let input):
        do throws(CallArgumentsError) { return try CallArguments.values(input, for: method.description.shape) } catch {
          throw Refusal(status: NH_INVALID_ARGUMENT, message: error.description)
        }
      }
    }

    /// The arguments as the method's types.
    func fitting(_ arguments: [Value]) throws(Refusal) -> [Value] {
      let types = method.parameters
      guard arguments.count == types.count else {
        throw Refusal(
          status: NH_INVALID_ARGUMENT, message: "\(fullName) takes \(types.count) arguments, got \(arguments.count)")
      }
      var values: [Value] = []
      for (place, type) in types.enumerated() {
        guard let fitting = arguments[place].converted(to: type) else {
          throw Refusal(
            status: NH_INVALID_ARGUMENT,
            message: "\(fullName): parameter `\(method.description.parameters[place])` must be \(type.expectation)")
        }
        values.append(fitting)
      }
      return values
    }

    private var fullName: String { "\(role.name).\(method.description.name)" }
  }

  func method(_ name: String, of target: String) throws(Refusal) -> Method {
    guard let role = find(target) else { throw unknown(target) }
    guard let method = role.method(name) else {
      let near = nearestWord(to: name, among: role.description.methods.map(\.name))
      let hint = near.map { "; did you mean `\($0)`?" } ?? ""
      throw Refusal(status: NH_UNIMPLEMENTED, message: "\(role.name) has no method `\(name)`\(hint)")
    }
    return Method(role: role, method: method)
  }

  private func unknown(_ target: String) -> Refusal {
    if isKnown(target) { return Refusal(status: NH_UNAVAILABLE, message: "the role `\(target)` is not running") }
    let hint = nearestWord(to: target, among: names).map { "; did you mean `\($0)`?" } ?? ""
    return Refusal(status: NH_NOT_FOUND, message: "no role is named `\(target)` or provides it\(hint)")
  }
}
