import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// Several nodes on one machine, and hostctl's choice among them.
@Suite struct SeveralNodesTests {
  let machine = Machine()

  @Test func hostctlFindsEachNodeByItsName() throws {
    machine.manifest(["role: hello-c"])
    machine.manifest(["role: hello-swift"], named: "b.yaml", node: "node-b", state: "state-b")
    let first = try machine.ready(), second = try machine.ready("b.yaml")

    let nodes = machine.hostctl("nodes").output
    for word in ["node-a", "node-b", "\(first.process)", "\(second.process)", machine.path("b.yaml")] {
      #expect(nodes.contains(word), "\(nodes)")
    }
    #expect(try machine.json("--node", "node-b", "list")["roles"]?[0]?["name"] == "hello-swift")
    #expect(
      machine.hostctl("list", environment: ["NODEHOST_NODE=node-b"]).output.contains("hello-swift"))
    #expect(machine.hostctl("--socket", machine.socket, "list").output.contains("hello-c"))

    let ambiguous = machine.hostctl("list")
    #expect(ambiguous.code == 1 && ambiguous.output.isEmpty)
    #expect(ambiguous.errors.contains("several nodes are running"))
    #expect(ambiguous.errors.contains("node-a (\(machine.path("node.yaml")))"), "\(ambiguous.errors)")
    #expect(ambiguous.errors.contains("node-b (\(machine.path("b.yaml")))"), "\(ambiguous.errors)")

    let wrong = machine.hostctl("--node", "nodeb", "list")
    #expect(wrong.code == 1 && wrong.errors.contains("did you mean \"node-b\"?"), "\(wrong.errors)")

    first.send(SIGTERM)
    #expect(first.end() == 0)
    #expect(machine.hostctl("list").output.contains("hello-swift"), "one node is left, so there is no choice")
  }

  @Test func anUntrustworthyRuntimeFolderIsNotUsed() throws {
    #expect(mkdir(machine.runtimeFolder, 0o777) == 0 && chmod(machine.runtimeFolder, 0o777) == 0)
    machine.manifest(["role: hello-c"])
    let node = try machine.ready()
    #expect(node.errors.contains("hostctl will not find this node by itself"), "\(node.errors)")
    #expect(node.errors.contains("others may use it (mode 0777); repair it with chmod 700"), "\(node.errors)")
    let result = machine.hostctl("list")
    #expect(result.code == 1 && result.errors.contains("is ignored: others may use it"), "\(result.errors)")
    #expect(machine.hostctl("--socket", machine.socket, "list").code == 0)
  }
}
