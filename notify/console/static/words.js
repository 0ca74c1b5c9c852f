// Words, numbers and times in the reader's language, and the two helpers that make elements.
const chinese = {
  Live: "实时", Leads: "线索", Vehicles: "车辆", Engine: "引擎", live: "在线", connecting: "连接中", reconnecting: "重连中",
  received: "接收", applied: "已处理", duplicate: "重复", late: "迟到", quarantined: "隔离", "in flight": "处理中", "events / s": "事件/秒",
  All: "全部", Reminders: "保养提醒", Alerts: "报警", "Held back": "已拦截", Activity: "动态", "Open leads": "待跟进线索", "Heard last": "最近上报",
  soon: "即将到期", due: "到期", overdue: "逾期", done: "已完成", cancelled: "已撤回", alert: "报警", resolved: "已解除", lead: "线索", "new lead": "新线索", closed: "已关闭", ok: "正常",
  new: "新", claimed: "已认领", contacted: "已联系", booked: "已预约", visited: "已到店", critical: "紧急", warning: "警告", advisory: "建议", info: "提示",
  owner: "车主", dealer: "经销商", waiting: "等待合并", sent: "已发送", delivered: "已送达", joined: "已合并", recorded: "仅记录", held: "已拦截", dead: "发送失败",
  consent: "车主未授权服务通知", no_owner: "无车主信息", no_dealer: "无经销商信息", same_visit: "同一次进店已提醒", too_late: "消息到达过晚", superseded: "发送前已解决", owner_changed: "已更换车主",
  call: "致电车主", care_call: "关怀致电", wait: "等待", none: "无需操作", "call after": "可致电时间", score: "评分", urgency: "紧急度", value: "价值", reaction: "反应",
  serviced: "已保养", cleared: "原因已消除", opened: "已打开", dismissed: "已忽略", not_useful: "没有帮助", snoozed: "稍后", declined: "拒绝", already_done: "已自行完成", no_answer: "无人接听", call_back: "需回电", will_think: "再考虑", unsubscribed: "退订",
  "Nothing to tell anybody yet. What a car's telemetry means shows here the moment it arrives.": "暂无通知。车辆上报数据后,其含义会立即显示在这里。",
  "No open lead.": "暂无待跟进线索。", "No lead yet.": "暂无线索。", "No vehicle has spoken yet.": "暂无车辆上报。", "No vehicle like this among those heard last. Press Enter to look it up.": "最近上报中没有,按回车查询。",
  "Vehicle id, plate or model": "车辆编号、车牌或车型", "no plan": "无保养计划", closed_: "已关闭", "This vehicle is not known.": "没有这辆车。", "no odometer yet": "暂无里程", read: "读取于",
  plate: "车牌", powertrain: "动力", plan: "保养计划", "in service": "上牌日期", zone: "时区", line: "用途", Maintenance: "保养项目", Signals: "信号", Timeline: "履历", "For the dealer": "经销商线索", Close: "关闭",
  "Nothing has happened yet.": "暂无记录。", left: "剩余", over: "超出", "due at": "到期", since: "始于", "assumed in order": "视为正常", min: "分钟", h: "小时", d: "天", now: "刚刚", yes: "是", no: "否", km: "公里",
  "owner reacted": "车主反应", "last service": "上次保养", "readings not believed": "存疑读数", "may not be called": "不可致电",
  installation: "安装", version: "版本", rules: "规则", clock: "时钟", lag: "积压", "a crash would replay": "崩溃需重放", records: "条", "dead letters": "死信", starts: "启动次数",
  Sources: "来源", Destinations: "目的地", clients: "连接", refused: "拒收", healthy: "正常", open: "熔断", disabled: "已停用", held: "已暂停发送", "half-open": "试探", failed: "失败", outbox: "待发送", "oldest waits": "最久等待",
  "No webhook is configured: events are kept, nobody is told.": "未配置 webhook:事件保留,无人接收。", "Nothing is held back.": "没有被拦截的消息。", "No dead letter: every message was understood and delivered.": "没有死信:所有消息均已处理并送达。", "Dead letters": "死信",
  "Intake has stopped": "已停止接收数据",
  "Connection to the engine lost. Trying again; what you see is as of": "与引擎的连接已断开,正在重连;当前显示截至", "This engine asks for a token": "请输入访问令牌", "A token with role read or admin, from the engine's tokens file.": "引擎令牌文件中角色为 read 或 admin 的令牌。", Continue: "继续", "newest": "最近", "of": "共",
};
export const lang = /^zh/i.test(navigator.language) ? "zh" : "en";
const english = { same_visit: "told lately about the same visit", consent: "the owner has not consented", no_owner: "no owner on file", no_dealer: "no dealer on file", too_late: "the news came too late", superseded: "settled before it left", owner_changed: "the car has a new owner",
  waiting: "waits for its group", joined: "in another message", recorded: "kept on record", call: "call the owner", care_call: "care call", none: "nothing to do", not_useful: "not useful", already_done: "already done", no_answer: "no answer", call_back: "call back", will_think: "will think about it", open: "circuit open", dead: "given up" };
export const t = (key) => (lang === "zh" ? chinese[key] : english[key]) ?? key;
export const pick = (by, id) => (by && (by[lang] || by.en || Object.values(by)[0])) || id;

const dates = new Intl.DateTimeFormat(lang, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });
export const num = (x, digits = 0) => x == null ? "–" : Number(x).toLocaleString(lang, { maximumFractionDigits: digits });
export const when = (x) => x ? dates.format(new Date(x)) : "";
export const km = (x, digits = 0) => num(x, digits) + " " + t("km");

// ago says how long before now (both in milliseconds, of the engine's clock) something was.
export function ago(at, now) {
  const s = Math.max(0, (now - new Date(at).getTime()) / 1000);
  if (!at || s < 90) return at ? t("now") : "";
  if (s < 5400) return Math.round(s / 60) + " " + t("min");
  return s < 129600 ? Math.round(s / 3600) + " " + t("h") : Math.round(s / 86400) + " " + t("d");
}

// h makes an element; text is always text, never markup.
export function h(tag, attrs, ...kids) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) {
    if (v == null || v === false) continue;
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (k === "part") e.style.setProperty("--part", v);
    else e.setAttribute(k, v === true ? "" : v);
  }
  e.append(...kids.flat(2).filter((k) => k != null && k !== false && k !== ""));
  return e;
}

// sync makes the children of box stand for items, in their order. A row's element stays as long as its
// item does, so that focus and a click in progress survive an update; only changed rows are drawn again.
export function sync(box, items, key, draw, none) {
  if (!items.length) {
    if (box.dataset.none !== none) { box.replaceChildren(h("li", { class: "empty" }, none)); box.dataset.none = none; }
    return;
  }
  const first = box.dataset.none !== "" && !box.childElementCount;
  if (box.dataset.none) box.replaceChildren();
  box.dataset.none = "";
  const old = new Map([...box.children].map((e) => [e.dataset.key, e]));
  let at = box.firstElementChild;
  for (const item of items) {
    const k = key(item), row = draw(item), signature = row.outerHTML;
    let e = old.get(k);
    if (!e) {
      e = row;
      e.dataset.key = k;
      if (!first) e.classList.add("fresh");
    } else if (e.signature !== signature) {
      const from = e.firstElementChild, to = row.firstElementChild;
      from.href = to.href;
      from.replaceChildren(...to.childNodes);
      e.classList.remove("fresh");
    }
    e.signature = signature;
    old.delete(k);
    if (e === at) at = at.nextElementSibling;
    else box.insertBefore(e, at);
  }
  for (const e of old.values()) e.remove();
}
