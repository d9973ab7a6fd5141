import CNodeABI
import Glibc
import HostCore
import HostRuntime

/// `nodehost run MANIFEST`: a node from its first line to its end.
enum RunCommand {
  static func run(_ invocation: Invocation) -> ExitCode {
    if let misuse = PlanReader.misuse(of: invocation) {
      Console.complain("nodehost: \(misuse)\n")
      return .usage
    }
    let reader = PlanReader(invocation)
    let plan: NodePlan
    switch reader.read() {
    case .success(let read): plan = read
    case .failure(let problem):
      Console.complain(problem.text)
      return .failure
    }
    let log = LogHub(least: plan.manifest.log)
    let control = EventLoop(index: 0, name: "nodehost")
    let node = Node(
      plan, control: control, log: log, allowsOtherPlugins: reader.isDevelopment, executable: ownExecutable)
    node.readPlan = { reader.read(address: plan.address) }
    do {
      let run = try NodeRun(node, control, checks: invocation.has("check"))
      return run.untilEnd()
    } catch {
      Console.complain("nodehost: \(error.text)\n")
      return .failure
    }
  }
}
