internal import NodeKit
internal import SecureSum
internal import Tensors
internal import TrainerWire

// What trainers are asked for, and what they bring.
extension SessionRunner {
  /// So many numbers of tickets are taken from the disk at a time.
  private static let ticketsAtOnce: UInt64 = 1000

  func ask(_ ticket: Ticket) {
    guard ticket.number > record.lastTicket else { return numbered(ticket) }
    record.lastTicket = ticket.number + Self.ticketsAtOnce
    writeRecord { [self] in
      numbered(ticket)
    }
  }

  private func numbered(_ ticket: Ticket) {
    asked += 1
    if let secure { secure.join(ticket) } else { begin(ticket) }
  }

  func begin(_ ticket: Ticket) {
    guard let model = record.recent[ticket.version] else {
      return happened(.failed(ticket: ticket.number, reason: "the model \(ticket.version) has gone"))
    }
    guard form.takesBase else { return begin(ticket, model, base: nil) }
    bases.get(model) { [self] base in
      switch base {
      case .success(let base): begin(ticket, model, base: base)
      case .failure(let error): happened(.failed(ticket: ticket.number, reason: error.message))
      }
    }
  }

  private func begin(_ ticket: Ticket, _ model: ModelFile, base: Weights?) {
    guard session.open[ticket.number] == ticket else { return }
    guard let trainer = trainers[ticket.trainer], trainer.isThere else {
      return happened(.failed(ticket: ticket.number, reason: "the trainer has gone"))
    }
    let call = TrainerCall(context, work(ticket, model, base)) { [weak self] share, loss in
      self?.progress[ticket.number] = (share, loss)
    } then: { [weak self] result in
      self?.answered(ticket, result)
    }
    calls[ticket.number] = call
    trainers[ticket.trainer]?.bytesSent += model.bytes
    tell([
      "event": "asked", "trainer": .string(ticket.trainer), "version": .int(Int64(ticket.version)),
      "ticket": JSON(ticket.number),
    ])
    call.begin(at: trainer.target)
  }

  private func work(_ ticket: Ticket, _ model: ModelFile, _ base: Weights?) -> TrainerCall.Work {
    var task = document.task(id, modelText, model)
    (task.ticket, task.version) = (ticket.number, UInt64(ticket.version))
    // The same for the same trainer and version whatever was asked before, so that a resumed session learns the same.
    task.seed = Dice.mixed(UInt64(session.plan.seed), ticket.trainer, ticket.version)
    let left = max(1, ticket.deadline - now)
    task.secureRound = secure?.plan?.round ?? ""
    return TrainerCall.Work(
      task: task, model: model, feed: feeds.feed(of: model.object), layout: layout, form: form, base: base,
      masked: secure?.plan?.bytes, name: "\(prefix)\(ticket.number)", timeout: .nanoseconds(left))
  }

  func answered(_ ticket: Ticket, _ result: Result<TrainerCall.Arrival, RoleError>) {
    calls[ticket.number] = nil
    progress[ticket.number] = nil
    switch result {
    case .failure(let error):
      guard error.status != .cancelled else { return }
      trainers[ticket.trainer]?.failed(error.message)
      context.log.warning("session \(id): \(ticket.trainer) brings no update of version \(ticket.version): \(error)")
      tell([
        "event": "failed", "trainer": .string(ticket.trainer), "version": .int(Int64(ticket.version)),
        "why": .string(error.description),
      ])
      happened(.failed(ticket: ticket.number, reason: error.message))
    case .success(let arrival): keep(arrival, of: ticket)
    }
  }

  private func keep(_ arrival: TrainerCall.Arrival, of ticket: Ticket) {
    trainers[ticket.trainer]?.brought(arrival)
    // Masked, it tells nothing of how good it is.
    if secure != nil { trainers[ticket.trainer]?.loss = nil }
    // Late: the ticket is closed.
    guard session.open[ticket.number] == ticket else { return remove(arrival.file.object) }
    let update = Update(
      ticket: ticket.number, trainer: ticket.trainer, version: ticket.version, group: ticket.group,
      object: arrival.file.object, start: arrival.file.start, samples: arrival.quality.samples,
      loss: secure == nil ? arrival.quality.loss : nil)
    do {
      try context.store.commit { [self] in
        $0.put(updateKey(update.ticket), update.json)
      } then: { [self] result in
        if case .failure(let error) = result {
          return context.fail(error.status, "an update of session \(id) cannot be written down: \(error.message)")
        }
        stored(update, arrival)
      }
    } catch { happened(.failed(ticket: ticket.number, reason: "\(error)")) }
  }

  private func stored(_ update: Update, _ arrival: TrainerCall.Arrival) {
    do { if session.open[update.ticket] != nil { try secure?.stored(update.trainer) } } catch {
      discard([update])
      return happened(.failed(ticket: update.ticket, reason: "\(error)"))
    }
    tell([
      "event": "update", "trainer": .string(update.trainer), "version": .int(Int64(update.version)),
      "ticket": JSON(update.ticket), "samples": .int(Int64(update.samples)), "loss": .double(arrival.quality.loss),
      "accuracy": arrival.quality.accuracy.map { .double($0) } ?? .null, "seconds": .double(arrival.seconds),
      "bytes": .int(Int64(arrival.bytes)),
    ])
    happened(.stored(update))
  }

  /// What is in no model, and will be in none.
  func discard(_ updates: [Update]) {
    write { [self] commit in
      for update in updates { commit.delete(updateKey(update.ticket)) }
    } then: { [self] in
      for update in updates { remove(update.object) }
    }
  }

  func updateKey(_ ticket: UInt64) -> String { "\(prefix)update/\(ticket)" }

  func cancel(_ ticket: Ticket, _ why: String) {
    calls.removeValue(forKey: ticket.number)?.cancel()
    progress[ticket.number] = nil
    if why == Session.deadlinePassed { trainers[ticket.trainer]?.failed(why) }
    tell([
      "event": "cancelled", "trainer": .string(ticket.trainer), "version": .int(Int64(ticket.version)),
      "why": .string(why),
    ])
  }
}

extension SessionDocument {
  /// What all tasks of the session have in common.
  func task(_ session: String, _ modelText: String, _ model: ModelFile) -> TrainingTask {
    var task = TrainingTask()
    (task.session, task.model, task.form) = (session, modelText, sessionConfig.updateForm)
    task.training = clientTrainingConfig.setting?.description ?? "{}"
    (task.size, task.sha256, task.tree) = (UInt64(model.bytes), model.object, model.tree)
    return task
  }

  func form() throws -> UpdateForm {
    do { return try UpdateForm(sessionConfig.updateForm) } catch {
      throw RoleError(.invalidArgument, error.description, at: "/session_config/update_form")
    }
  }
}

extension UpdateForm {
  /// Whether it says only what has changed of what the trainer was given.
  var takesBase: Bool { isDelta || top != nil }
}
