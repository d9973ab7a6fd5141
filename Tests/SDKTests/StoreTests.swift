import NodeTesting
import Testing

/// The store, as a Swift role sees it.
@Suite struct StoreTests {
  final class Visits: Role {
    static let about = About("visits", version: "1.0.0", "Counts visits, for good.")
    static let needs: [Need] = [.store]
    static let methods = [
      Method("visit(name)", "Counts one.", visit), Method("forget(name)", "Counts none.", forget),
      Method("names(prefix)", "Who came.", names), Method("first(count)", "The first so many.", first),
      Method("sum(prefix)", "Of numbers.", sum),
    ]

    private let context: RoleContext
    private(set) var scan: StoreScan?
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

    func visit(_ name: String, _ reply: Reply<Int>) throws {
      try context.store.get(name) { [context] (found: Result<Stored<String>?, RoleError>) in
        guard case .success(let found) = found else { return reply.fail(try found.failure) }
        let count = (found.flatMap { Int($0.value) } ?? 0) + 1
        try context.store.commit { commit in
          commit.expect(name, revision: found?.revision ?? 0)
          commit.put(name, "\(count)")
        } then: { result in
          switch result {
          case .success: reply.send(count)
          case .failure(let error): reply.fail(error)
          }
        }
      }
    }

    func forget(_ name: String, _ reply: Reply<Int>) throws {
      try context.store.commit {
        $0.delete(name)
      } then: { result in
        reply.send(Int(try result.get()))
      }
    }

    func names(_ prefix: String, _ reply: Reply<String>) throws {
      var names: [String] = []
      try context.store.scan(prefix: prefix) { (entry: Stored<String>) in
        names.append("\(entry.name)=\(entry.value)")
      } then: { result in
        reply.send(names.joined(separator: " ") + " @\(try result.get())")
      }
    }

    /// Of numbers, each told as it comes.
    func sum(_ prefix: String, _ reply: Reply<String>) throws {
      var sum = 0, seen = 0
      try context.store.scan(prefix: prefix) { (entry: Stored<String>) in
        seen += 1
        guard let number = Int(entry.value) else { throw RoleError(.dataLoss, "it is no number") }
        sum += number
      } then: { result in
        if case .failure(let error) = result {
          reply.send("\(seen): \(error.status) \(error.place)")
        } else {
          reply.send("\(seen): \(sum)")
        }
      }
    }

    func first(_ count: Int, _ reply: Reply<String>) throws {
      var seen = 0
      scan = try context.store.scan { [self] (entry: Stored<[UInt8]>) in
        seen += 1
        if seen == count { scan?.cancel() }
      } then: { result in
        if case .failure(let error) = result { reply.send("\(seen) \(error.status)") } else { reply.send("\(seen)") }
      }
    }
  }

  private func host(_ store: FakeStore = FakeStore()) throws -> FakeHost {
    let host = try FakeHost(Visits.self)
    host.store = store
    try host.start()
    return host
  }

  @Test func whatIsCommittedIsThereAfterARestart() throws {
    let host = try host()
    #expect(try host.call("visit", "Ada") as Int == 1)
    #expect(try host.call("visit", "Ada") as Int == 2)
    #expect(host.store["Ada"]?.text == "2" && host.store["Ada"]?.revision == 2)
    let next = try self.host(host.store)
    #expect(try next.call("visit", "Ada") as Int == 3)
    #expect(host.misuse.isEmpty && next.misuse.isEmpty)
  }

  @Test func aSwapKeepsTheStore() throws {
    let host = try host()
    #expect(try host.call("visit", "Ada") as Int == 1)
    let next = try host.swap(to: Visits.self)
    #expect(try next.call("visit", "Ada") as Int == 2)
  }

  @Test func whatCannotBeReadEndsTheScan() throws {
    let host = try host()
    for name in ["a/1", "a/2", "a/3"] { #expect(try host.call("visit", name) as Int == 1) }
    #expect(try host.call("sum", "a/") as String == "3: 3")
    host.store.put("a/2", "many")
    #expect(try host.call("sum", "a/") as String == "2: data loss a/2")
    // No text, so no `String`.
    host.store.put("a/2", [0xff])
    #expect(try (host.call("sum", "a/") as String).hasPrefix("1: "))
    #expect(host.misuse.isEmpty)
  }

  @Test func keysComeInOrder() throws {
    let host = try host()
    for name in ["ada/b", "ada/a", "bob", "adb"] { #expect(try host.call("visit", name) as Int == 1) }
    #expect(try host.call("names", "ada/") as String == "ada/a=1 ada/b=1 @4")
    #expect(try host.call("names", "") as String == "ada/a=1 ada/b=1 adb=1 bob=1 @4")
    #expect(try host.call("forget", "adb") as Int == 5)
    #expect(try host.call("names", "ad") as String == "ada/a=1 ada/b=1 @5")
    #expect(try host.call("first", 2) as String == "2 cancelled")
    #expect(try host.call("first", 9) as String == "3")
  }

  @Test func whoeverComesLateStartsOver() throws {
    let host = try host()
    host.store.takes = .seconds(1)
    let first = try host.begin("visit", "Ada"), second = try host.begin("visit", "Ada")
    host.clock.advance(by: .seconds(3))
    #expect(try first.answer(as: Int.self) == 1)
    let error = #expect(throws: RoleError.self) { try second.answer(as: Int.self) }
    #expect(error?.status == .aborted && error?.message.hasPrefix("Ada: ") == true)
  }

  @Test(arguments: [(FakeStore.Fault.full, Status.resourceExhausted), (.damaged, .dataLoss)])
  func faultsOfTheDiskArrive(_ fault: FakeStore.Fault, _ status: Status) throws {
    let host = try host()
    #expect(try host.call("visit", "Ada") as Int == 1)
    host.store.fault = fault
    let error = #expect(throws: RoleError.self) { try host.call("visit", "Ada") as Int }
    #expect(error?.status == status)
    host.store.fault = nil
    #expect(try host.call("visit", "Ada") as Int == 2)
  }

  @Test func aPrefixEndsWhereItsLastByteCanCountUp() {
    #expect(StoreKey.end(ofPrefix: [1, 2]) == [1, 3])
    #expect(StoreKey.end(ofPrefix: [1, 255]) == [2])
    #expect(StoreKey.end(ofPrefix: [255, 255]) == [] && StoreKey.end(ofPrefix: []) == [])
  }
}

extension Result where Failure == RoleError {
  fileprivate var failure: RoleError {
    get throws {
      guard case .failure(let error) = self else { throw RoleError(.internal, "it has not failed") }
      return error
    }
  }
}
