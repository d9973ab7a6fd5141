public import NodeKit

/// What hostctl and other roles may ask.
extension ImagesNode {
  public func status() -> JSON {
    [
      "state": .string(isSure ? "leading" : leadership.leads ? "taking over" : "following"),
      "leader": leadership.leader.map { JSON($0) } ?? .null, "term": JSON(max(leadership.term, fence)),
      "address": .string(settings.address), "leader_url": leaderURL.map { .string($0) } ?? .null,
      "images": JSON(catalogue.liveCount), "bytes": JSON(catalogue.liveBytes),
      "removed": JSON(catalogue.count - catalogue.liveCount), "missing": JSON(catalogue.missing.count),
      "uploads": JSON(intakes), "beginnings": JSON(beginnings.count), "resumable_uploads": JSON(uploads.count),
      "nodes": .array(([context.nodeID] + others).sorted().map { JSON($0) }),
      "linked": .array(([context.nodeID] + linked).sorted().map { JSON($0) }),
      "replicas": JSON(replicas), "thumbnail_bytes": JSON(thumbnails.bytes),
      "rotation": rotation?.json ?? .null, "verification": verification?.json ?? .null,
    ]
  }

  var leaderURL: String? {
    guard let leader = leadership.leader else { return nil }
    if leader != context.nodeID { return url(of: leader) }
    return PublicAddress(settings.address)?.url(seenAt: nodes[leader]?.address ?? "")
  }

  /// Of this node's entries, also where it does not lead.
  public func list(_ after: String, _ limit: Int) throws -> JSON {
    guard after.isEmpty || ImageID(after) != nil else {
      throw RoleError(.invalidArgument, "`after` is an image's id, or empty")
    }
    guard (1...Self.pageLimit).contains(limit) else {
      throw RoleError(.invalidArgument, "a page has 1 to \(Self.pageLimit) images")
    }
    return page(after: ImageID(after), limit)
  }

  public func stat(_ id: String) throws -> JSON {
    guard let id = ImageID(id) else { throw RoleError(.invalidArgument, "`id` is 64 small hexadecimal digits") }
    guard let entry = catalogue[id], case .object(var object) = entry.json else {
      throw RoleError(.notFound, "there is no image \(id)")
    }
    object["version"] = .string("\(entry.version)")
    object["removed"] = .bool(entry.isRemoved)
    object["here"] = .bool(catalogue.holds(id))
    object["checked"] = .string(entry.check == .decoded ? "decoded" : "header")
    return .object(object)
  }

  public func repair() -> JSON {
    if leadership.isReady { compareWithAll() }
    repairSome()
    return ["missing": JSON(catalogue.missing.count), "fetching": JSON(fetches.count)]
  }

  public func health() -> Health {
    guard isLoaded else { return .degraded("it still reads its entries") }
    if isSure || leadership.leader != nil && !leadership.leads { return .ok }
    if leadership.leads { return .degraded("it has begun to lead, and still asks the others what they have") }
    return .degraded("no node leads at present, so no image is taken or given")
  }
}
