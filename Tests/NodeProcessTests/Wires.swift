import Glibc
import HostRuntime
import Testing

/// Three network namespaces with a wire between each two. They end with the processes that hold them.
final class Wires {
  private let holders: [Child]

  static let canBeMade: Bool = {
    let tries = "command -v nsenter && unshare -n ip link add one type veth peer name other"
    return getuid() == 0 && run(["sh", "-c", tries]).code == 0
  }()

  init(_ machine: Machine) throws {
    holders = (1...3).map { _ in machine.child("/usr/bin/unshare", ["-n", "sleep", "600"]) }
    // Until it has left for its own namespace, it is in this one.
    for holder in holders {
      for _ in 0..<1_000 where Self.namespace(holder.process) == Self.namespace(getpid()) { usleep(5_000) }
    }
    for (one, other) in [(1, 2), (1, 3), (2, 3)] {
      script(one, "ip link add to-\(other) type veth peer name to-\(one) netns \(holders[other - 1].process)")
      for (here, there) in [(one, other), (other, one)] {
        script(
          here,
          "ip address add \(Self.address(of: here, from: there))/24 dev to-\(there); ip link set to-\(there) up")
      }
    }
    for id in 1...3 { script(id, "ip link set lo up") }
  }

  /// Each pair has a network of its own.
  static func address(of id: Int, from other: Int) -> String {
    id == other ? "127.0.0.1" : "10.77.\(min(id, other))\(max(id, other)).\(id)"
  }

  func inside(_ id: Int) -> [String] { ["/usr/bin/nsenter", "-n", "-t", "\(holders[id - 1].process)"] }

  func set(_ one: Int, _ other: Int, _ state: String) { script(one, "ip link set to-\(other) \(state)") }

  private func script(_ id: Int, _ text: String) {
    let (code, output) = run(inside(id) + ["sh", "-ec", text])
    precondition(code == 0, "\(text): \(output)")
  }

  private static func namespace(_ process: pid_t) -> String { run(["readlink", "/proc/\(process)/ns/net"]).output }
}
