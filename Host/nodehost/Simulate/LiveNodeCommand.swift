import Glibc
import HostCore
import HostRuntime
import NodeValues
import Simulator

/// The process of a node of a live run: `nodehost live-node FOLDER NETWORK`, the words of `simulate`, the node's number
/// and the descriptor that hears what its roles publish. The node is that of `nodehost run`; only where it listens and
/// what it calls its own differ from the manifest.
enum LiveNodeCommand {
  static let word = "live-node"

  static func run(_ words: [String]) -> ExitCode {
    guard words.count > 4, let network = UInt16(words[1]), let number = Int(words[words.count - 2]),
      let output = Int32(words[words.count - 1]),
      case .run(let invocation) = CommandTable.program.parse(["simulate"] + words[2..<(words.count - 2)])
    else { return .usage }
    _ = fcntl(output, F_SETFD, FD_CLOEXEC)
    // hostctl shall not take these nodes for others of their names.
    setenv("NODEHOST_RUNTIME_DIR", "\(words[0])/run", 1)
    do {
      let plan = { () throws -> NodePlan in
        let play = try Play(try SimulateCommand.scenario(invocation))
        let places = LivePlaces(play.deployment, folder: words[0], network: network)
        let key = readFile(places.keyFile, limit: 1 << 10).map { Secret(String(decoding: $0, as: UTF8.self)) }
        return places.plan(number, key: key)
      }
      return try run(try plan(), output) {
        do { return .success(try plan()) } catch {
          let words = SimulateCommand.words(error)
          return .failure(ManifestUnreadable("\(words)\n", sentences: [words]))
        }
      }
    } catch {
      Console.complain("nodehost: \(SimulateCommand.words(error))\n")
      return .failure
    }
  }

  private static func run(
    _ plan: NodePlan, _ output: Int32, again: @escaping () -> Result<NodePlan, ManifestUnreadable>
  ) throws -> ExitCode {
    let control = EventLoop(index: 0, name: "nodehost")
    let node = Node(
      plan, control: control, log: LogHub(least: plan.manifest.log), allowsOtherPlugins: true,
      executable: ownExecutable)
    node.readPlan = again
    node.observeEvents { role, topic, payload in
      let line: JSON = [
        "role": .string(role), "topic": .string(topic), "text": .string(String(decoding: payload, as: UTF8.self)),
      ]
      _ = writeAll(output, Array("\(line)\n".utf8))
    }
    do {
      return try NodeRun(node, control, checks: false).untilEnd()
    } catch {
      Console.complain("nodehost: \(error.text)\n")
      return .failure
    }
  }
}
