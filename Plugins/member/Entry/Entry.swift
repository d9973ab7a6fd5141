import MemberCore
import NodeKit

@main enum Entry: Plugin { typealias Exported = Member }
