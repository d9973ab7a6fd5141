import Glibc
import HostCore
import NodeValues

/// From a build to the running role, and back if it was no good.
extension DevSession {
  func live(after build: BuildResult) {
    guard !isEnding else { return }
    let took = Self.milliseconds(build.nanoseconds)
    guard build.succeeded else {
      let rest = node == nil ? "save a change to try again" : running()
      return say("the build failed after \(took); \(rest)", .red)
    }
    guard node != nil else { return start(built: took) }
    let began = System.monotonic
    let before = generations()
    do throws(CommandFailure) {
      let answer = try swap()
      report(answer, before, built: took, swapped: System.monotonic - began)
    } catch {
      if died() { return recover(from: .swap) }
      say("not live: \(error.chain.joined(separator: ": "))", .red)
      say(running())
    }
  }

  /// Every role that runs goes over to its new build in one step; those that had failed get another chance.
  private func swap() throws(CommandFailure) -> JSON {
    guard let node else { return [:] }
    let roles = try node.ask(.roles).list("roles")
    for role in roles where role.text("state") == "failed" { _ = try node.ask(.restart(role.text("name"))) }
    return try node.ask(.swap(SwapRequest(all: true)))
  }

  private func report(_ answer: JSON, _ before: [String: Int64], built: String, swapped: Int64) {
    var names = answer.list("swapped").map {
      "\($0.text("role")) \($0.text("version")), generation \($0.text("generation"))"
    }
    let until = System.monotonic + (answer["probation_ms"]?.int ?? 0) * 1_000_000
    // A role that had failed was started anew instead.
    let now = generations()
    let others = now.keys.sorted().filter { now[$0] != before[$0] }
    if names.isEmpty { names = others.map { "\($0), generation \(now[$0] ?? 0)" } }
    guard !names.isEmpty else { return say("built in \(built): nothing that runs has changed") }
    let total = Self.milliseconds(System.monotonic - firstChange)
    say(
      "live in \(total): build \(built), swap \(Self.milliseconds(swapped)): \(names.joined(separator: "; "))", .green)
    onProbation = others.map { Trial(role: $0, generation: now[$0] ?? 0, until: until, began: System.monotonic) }
    keepBuilds()
  }

  private func generations() -> [String: Int64] {
    let roles = (try? node?.ask(.roles).list("roles")) ?? []
    let running = roles.filter { $0.text("state") == "running" }
    return Dictionary(running.map { ($0.text("name"), $0["generation"]?.int ?? 0) }) { $1 }
  }

  // MARK: The node

  /// `built` is nil if nothing was: the node comes back with what there was.
  private func start(built: String?) {
    let began = System.monotonic
    do throws(CommandFailure) {
      let node = try DevNode(nodehost, manifest: manifest, folder: project.folder)
      self.node = node
      var roles: [JSON]?
      while roles == nil, changed.isEmpty {
        wait(Self.startLookMilliseconds)
        if isEnding { return }
        if node.hasEnded() { return recover(from: .running) }
        roles = node.settledRoles()
      }
      let failed = (roles ?? []).filter { $0.text("state") != "running" }
      for role in failed { say("\(role.text("name")) is not live: \(role.text("reason"))", .red) }
      if roles == nil || !failed.isEmpty { return }
    } catch {
      return say(error.chain.joined(separator: ": "), .red)
    }
    let took = Self.milliseconds(System.monotonic - began), total = Self.milliseconds(System.monotonic - firstChange)
    say(
      built.map { "live in \(total): build \($0), start \(took); Ctrl-C ends it" } ?? "running again after \(took)",
      .green)
    keepBuilds()
  }

  func reload() {
    guard let node else { return start(built: nil) }
    do throws(CommandFailure) {
      let answer = try node.ask(.reload)
      let changes = ["added", "removed", "reconfigured", "restarted"].compactMap { key in
        let names = answer.list(key).compactMap(\.string).joined(separator: ", ")
        return names.isEmpty ? nil : "\(key) \(names)"
      }
      let rest = answer.list("needs_node_restart").compactMap(\.string).map { "\($0) needs a new start" }
      let all = changes + rest
      say("the manifest is read again: \(all.isEmpty ? "nothing changed" : all.joined(separator: "; "))", .green)
    } catch {
      say("the manifest is not in force: \(error.chain.joined(separator: ": "))", .red)
    }
  }

  /// Whether the node is gone. Its end is seen a moment after its socket has closed.
  private func died() -> Bool {
    guard let node else { return true }
    for _ in 0..<10 where !node.hasEnded() { usleep(10_000) }
    return node.hasEnded()
  }

  func noticeEnd() {
    guard let node, !isEnding, node.hasEnded() else { return }
    recover(from: onProbation.isEmpty ? .running : .probation)
  }

  /// Where the node was when it ended.
  private enum Moment { case swap, probation, running }

  /// A node that crashes is started again; if a new build took it down, with the build before that. What then fails too
  /// waits for the next change, as does a node that ends in order, which has said why.
  private func recover(from moment: Moment) {
    guard let node, let end = node.end, !isEnding else { return }
    let lived = System.monotonic - node.started
    self.node = nil
    onProbation = []
    guard case .crashed = end else { return say("the node \(end.words); save a change to start it again", .red) }
    if moment == .running {
      guard lived > Self.crashLoopNanoseconds else {
        return say("the node \(end.words); save a change to start it again", .red)
      }
      say("the node \(end.words); it starts again", .red)
    } else {
      guard goodBuilds.restore(newestFailed: moment == .probation) else {
        return say("the node \(end.words) with the new build; save a change to start it again", .red)
      }
      say("the node \(end.words) with the new build; it starts again with the build before", .red)
    }
    start(built: nil)
  }

  // MARK: Probation

  /// Looks whether a build that has taken over gave up since.
  func look() {
    guard let node, !onProbation.isEmpty else { return }
    var rest: [Trial] = []
    for trial in onProbation {
      guard let answer = try? node.ask(.history(trial.role)) else { continue }
      let history = RoleHistory(answer)
      if case .reverted(let reason)? = history.generation(Int(trial.generation))?.outcome {
        let after = Self.milliseconds(System.monotonic - trial.began)
        say("\(trial.role): generation \(trial.generation) gave up after \(after): \(reason)", .red)
        say(running())
      } else if System.monotonic < trial.until {
        rest.append(trial)
      }
    }
    onProbation = rest
  }

  /// Remembers what runs, for when a later build takes the node down.
  private func keepBuilds() {
    guard let node, let roles = try? node.ask(.roles).list("roles") else { return }
    for role in roles where role.text("state") == "running" {
      let name = role.text("name")
      guard let file = try? node.ask(.role(name)).text("file"), file.hasPrefix(project.folder + "/"),
        let history = try? node.ask(.history(name)), let copy = RoleHistory(history).current?.copy
      else { continue }
      goodBuilds.add(copy, of: file)
    }
  }
}
