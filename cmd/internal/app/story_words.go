package app

// storyWords are the words of one language by what they stand for: event types, states, reasons, levels.
type storyWords map[string]string

// say returns the words for a key, and the key itself where there are none: a user's own reason.
func (w *storyWords) say(key string) string {
	if t, ok := (*w)[key]; ok {
		return t
	}
	return key
}

var storyEnglish = storyWords{
	"reminder.soon": "Service due soon", "reminder.due": "Service due", "reminder.overdue": "Service overdue",
	"reminder.done": "Service done", "reminder.cancelled": "Reminder withdrawn",
	"alert.firing": "Alert", "alert.resolved": "Resolved",
	"lead.created": "New lead", "lead.updated": "Lead updated", "lead.closed": "Lead closed",
	"odometer.jump": "Odometer jumped, the car goes on from there", "odometer.replaced": "Odometer replaced",
	"odometer.spike": "Odometer spike withdrawn", "odometer.corrected": "Odometer corrected",

	"service": "In the workshop", "assumed": "No history on file, assumed to be in order", "shadow": "Rule on trial would have fired",
	"suspect": "Reading not believed yet,", "odometer": "Odometer decision", "profile": "Profile received", "late": "came too late, changed nothing",

	"to owner": "Owner", "to dealer": "Dealer", "to none": "Record",
	"waiting": "waits for what belongs with it", "sent": "sent", "held": "held back", "joined": "part of another message",
	"recorded": "nobody to be told", "delivered": "delivered", "requeued": "sent again", "dead": "given up", "expired": "too old to send",

	"consent": "the owner has not consented", "no_owner": "no owner on file", "no_dealer": "no dealer on file",
	"same_visit": "told lately about the same visit", "too_late": "the news came too late", "superseded": "settled before it left",
	"owner_changed": "the car has a new owner",
	"odometer_set":  "set by an operator",
	"serviced":      "serviced", "cleared": "the cause is gone", "cancelled": "cancelled", "rule_changed": "the rule has changed", "rule_removed": "the rule is gone",

	"by owner": "Owner", "by advisor": "Advisor", "by system": "System",
	"opened": "opened the message", "dismissed": "dismissed it", "not_useful": "not useful", "snoozed": "later", "already_done": "already done",
	"booked": "booked a visit", "claimed": "took the lead", "contacted": "called the owner", "no_answer": "no answer", "wrong_number": "wrong number",
	"call_back": "call back", "will_think": "will think about it", "declined": "declined", "visited": "came in", "closed": "closed", "sold": "car sold",
	"unsubscribed": "wants no more messages",

	"soon": "soon", "due": "due", "overdue": "overdue", "km": "km", "days": "days", "hours": "h", "or": " or ", "left": "left", "over": "over",
}

var storyChinese = storyWords{
	"reminder.soon": "保养即将到期", "reminder.due": "保养已到期", "reminder.overdue": "保养已逾期",
	"reminder.done": "保养已完成", "reminder.cancelled": "提醒已撤回",
	"alert.firing": "报警", "alert.resolved": "已解除",
	"lead.created": "新线索", "lead.updated": "线索更新", "lead.closed": "线索关闭",
	"odometer.jump": "里程跳变,按新读数继续", "odometer.replaced": "更换里程表", "odometer.spike": "里程尖峰已撤回", "odometer.corrected": "里程已更正",

	"service": "进店保养", "assumed": "无保养记录,视为正常", "shadow": "试运行规则命中",
	"suspect": "读数暂不采信", "odometer": "里程判定", "profile": "收到车辆档案", "late": "到达过晚,未生效",

	"to owner": "车主", "to dealer": "经销商", "to none": "记录",
	"waiting": "等待合并发送", "sent": "已发送", "held": "已拦截", "joined": "并入另一条消息",
	"recorded": "无需通知", "delivered": "已送达", "requeued": "重新发送", "dead": "放弃发送", "expired": "过期未发",

	"consent": "车主未授权", "no_owner": "无车主信息", "no_dealer": "无经销商信息", "same_visit": "同一次进店已提醒过", "too_late": "消息来得太晚",
	"superseded": "发送前已解决", "owner_changed": "已更换车主",
	"odometer_set": "由操作员设定",
	"serviced":     "已保养", "cleared": "原因已消除", "cancelled": "已取消", "rule_changed": "规则已修改", "rule_removed": "规则已删除",

	"by owner": "车主", "by advisor": "顾问", "by system": "系统",
	"opened": "已打开消息", "dismissed": "已忽略", "not_useful": "没有帮助", "snoozed": "稍后提醒", "already_done": "已自行完成",
	"booked": "已预约", "claimed": "已认领", "contacted": "已联系", "no_answer": "无人接听", "wrong_number": "号码错误",
	"call_back": "需回电", "will_think": "再考虑", "declined": "拒绝", "visited": "已到店", "closed": "已关闭", "sold": "车辆已出售", "unsubscribed": "退订",

	"soon": "即将到期", "due": "到期", "overdue": "逾期", "km": "公里", "days": "天", "hours": "小时", "or": "或", "left": "剩余", "over": "超出",
}
