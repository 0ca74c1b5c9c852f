package plan

var itemCases = []itemCase{
	{"S28 first until the first service, then every", `
		2026-01-01 plan oil ->
		2026-01-01 in_service 2026-01-01 ->
		2026-01-02 km 100 ->
		2026-01-02 show oil -> ok, 5000 4900 ok, 2026-07-01 180 ok
		2026-03-01 km 4500 -> oil soon @o1
		2026-03-02 service oil 4510 -> oil done soon @o1
		2026-03-03 show oil -> ok, 14510 10010 ok, 2027-03-02 364 ok
	`},
	{"S28 a dimension only in first ends with the first service", `
		2026-01-01 plan break-in ->
		2026-01-01 in_service 2026-01-01 ->
		2026-01-02 km 100 -> oil soon @o1
		2026-01-03 service oil 150 -> oil done soon @o1
		2026-01-03 show oil -> ok, 10150 10050 ok
	`},
	{"S28 a dimension without baseline or reading is left out", `
		2026-01-01 plan oil ->
		2026-01-02 show oil -> ok
		2026-01-03 km 100 ->
		2026-01-03 show oil -> ok, 5000 4900 ok
		2026-01-04 service oil - ->
		2026-01-04 show oil -> ok, 10100 10000 ok, 2027-01-04 365 ok
	`},
	{"S28 before k is known a service counts by its date", `
		2026-01-01 plan oil ->
		2026-01-04 service oil 3000 2025-12-01 ->
		2026-01-05 show oil -> ok, 2026-12-01 330 ok
		2026-01-06 km 12500 -> oil soon @2025-12-01
		2026-01-06 show oil -> soon, 13000 500 soon, 2026-12-01 329 ok
	`},
	{"S29 months keep the day of the month and count from the origin", `
		2024-01-01 plan fixed-both ->
		2024-02-29 in_service 2024-02-29 ->
		2024-03-01 km 10 ->
		2024-03-01 show oil -> ok, 10000 9990 ok, 2025-02-28 364 ok
		2025-02-10T09:00 tick -> oil soon @o1
		2025-02-10 service oil 600 -> oil done soon @o1
		2025-02-10 show oil -> ok, 20000 19990 ok, 2026-02-28 383 ok
	`},
	{"S29 fixed points: a service satisfies what it is early for, and all before", `
		2026-01-01 plan fixed ->
		2026-01-02 km 100 ->
		2026-01-10 km 4100 -> oil soon @o1
		2026-01-11 service oil 4150 -> oil done soon @o1
		2026-01-11 show oil -> ok, 15000 10900 ok
		2026-01-20 km 14001 -> oil soon @o2
		2026-01-21 service oil 13999 ->
		2026-01-21 show oil -> soon, 15000 999 soon
		2026-01-22 service oil 14000 -> oil done soon @o2
		2026-01-22 show oil -> ok, 25000 10999 ok
	`},
	{"S29 fixed points: by any dimension", `
		2026-01-01 plan fixed-both ->
		2026-01-01 in_service 2025-01-20 -> oil soon @o1
		2026-01-02 km 3000 ->
		2026-01-03 service oil - -> oil done soon @o1
		2026-01-03 show oil -> ok, 20000 17000 ok, 2027-01-20 382 ok
	`},
	{"S29 early is its own when given", `
		2026-01-01 plan fixed-early ->
		2026-01-02 km 100 ->
		2026-01-10 km 9500 -> oil soon @o1
		2026-01-11 service oil 9999 ->
		2026-01-12 service oil 10000 -> oil done soon @o1
	`},
	{"S29 fixed points: a dimension only in first is at the first point alone", `
		2026-01-01 plan fixed-first ->
		2026-01-01 in_service 2026-01-01 ->
		2026-01-02 km 100 ->
		2026-01-02 show oil -> ok, 5000 4900 ok, 2026-07-01 180 ok
		2026-02-02 km 4900 -> oil soon @o1
		2026-02-03 service oil 4900 -> oil done soon @o1
		2026-02-03 show oil -> ok, 15000 10100 ok
	`},
	{"S30 the four levels by km", `
		2026-01-01 plan km ->
		2026-01-02 km 100 ->
		2026-01-10 km 8999.999 ->
		2026-01-11 km 9000 -> oil soon @o1
		2026-01-12 km 9999.999 ->
		2026-01-13 km 10000 -> oil due @o1
		2026-01-14 km 10499.999 ->
		2026-01-15 km 10500 -> oil overdue @o1
	`},
	{"S30 the four levels by date; days start at 09:00", `
		2026-01-01 plan days ->
		2026-01-01 in_service 2026-01-01 ->
		2026-01-16 tick ->
		2026-01-17 tick -> month soon @o1
		2026-02-01T08:59 tick ->
		2026-02-01T09:00 tick -> month due @o1
		2026-02-08 tick ->
		2026-02-09 tick -> month overdue @o1
		2026-12-01 tick ->
		2026-12-02 tick -> year soon @o1
		2027-01-01 tick -> year due @o1
		2027-01-14 tick ->
		2027-01-15 tick -> year overdue @o1
	`},
	{"S30 default days are capped by the interval in force", `
		2026-01-01 plan stages ->
		2026-01-01 in_service 2026-01-01 ->
		2026-01-16 tick ->
		2026-01-17 tick -> oil soon @o1
		2026-01-17 service oil - -> oil done soon @o1
		2026-12-17 tick ->
		2026-12-18 tick -> oil soon @2026-01-17
	`},
	{"S30 defaults: 10 % and 5 % of every, of first where it lacks one", `
		2026-01-01 plan defaults ->
		2026-01-02 km 100 ->
		2026-01-03 km 3599 ->
		2026-01-04 km 3600 -> check soon @o1
		2026-01-05 km 4000 -> check due @o1; oil soon @o1
		2026-01-06 km 4199 ->
		2026-01-07 km 4200 -> check overdue @o1
		2026-01-08 km 5499 -> oil due @o1
		2026-01-09 km 5500 -> oil overdue @o1
	`},
	{"S30 hours", `
		2026-01-01 plan hours ->
		2026-01-02 hours 10 ->
		2026-02-01 hours 449.999 ->
		2026-02-02 hours 450 -> filter soon @o1
		2026-02-10 hours 500 -> filter due @o1
		2026-02-12 hours 525 -> filter overdue @o1
		2026-02-13 service filter - hours 520 -> filter done overdue @o1
		2026-02-13 show filter -> ok, 1020 495 ok
	`},
	{"S31 a used car: the skipped points are assumed done", `
		2026-01-01 plan oil ->
		2026-01-01 in_service 2022-03-31 ->
		2026-01-01 show oil -> ok, 2026-09-30 272 ok assumed
		2026-01-02 km 87000 ->
		2026-01-02 show oil -> ok, 95000 8000 ok assumed, 2026-09-30 271 ok assumed
		2026-02-02 km 94000 -> oil soon @o1
	`},
	{"S31 strictly beyond the reading", `
		2026-01-01 plan km ->
		2026-01-02 km 20000 ->
		2026-01-02 show oil -> ok, 30000 10000 ok assumed
	`},
	{"S31 only what is overdue by itself, per dimension", `
		2026-01-01 plan oil ->
		2026-01-01 in_service 2025-07-01 -> oil due @o1
		2026-01-02 km 60000 ->
		2026-01-02 show oil -> due, 65000 5000 ok assumed, 2026-01-01 -1 due
	`},
	{"S31 no every: left out", `
		2026-01-01 plan defaults ->
		2026-01-02 km 9000 ->
		2026-01-02 show check -> ok
		2026-01-02 show oil -> ok, 15000 6000 ok assumed
	`},
	{"S31 the assumed point is soon at once", `
		2026-01-01 plan km ->
		2026-01-02 km 49500 -> oil soon @o1
		2026-01-02 show oil -> soon, 50000 500 soon assumed
	`},
	{"S31 due on arrival is told, and overdue later", `
		2026-01-01 plan km ->
		2026-01-02 km 10400 -> oil due @o1
		2026-01-03 km 10600 -> oil overdue @o1
	`},
	{"S31 not with a service record", `
		2026-01-01 plan km ->
		2026-01-02 service oil 20000 ->
		2026-01-03 km 40000 -> oil overdue @2026-01-02
	`},
	{"S31 history never", `
		2026-01-01 plan never ->
		2026-01-02 km 87000 -> oil overdue @o1
	`},
	{"S31 items added later to a plan", `
		2026-01-01 plan hours ->
		2026-01-02 km 87000 ->
		2026-01-03 plan km ->
		2026-01-03 show oil -> ok, 90000 3000 ok assumed
	`},
	{"S31 again when every changed", `
		2026-01-01 plan km15 ->
		2026-01-02 km 12000 ->
		2026-01-03 plan km ->
		2026-01-03 show oil -> ok, 20000 8000 ok assumed
	`},
	{"S31 again when in_service changed", `
		2026-01-01 plan oil ->
		2026-01-01 in_service 2025-12-01 ->
		2026-01-02 in_service 2020-12-01 ->
		2026-01-02 show oil -> ok, 2026-06-01 150 ok assumed
	`},
	{"S31 in_service that becomes known leaves what was seen", `
		2026-01-01 plan oil ->
		2026-01-02 km 4900 -> oil soon @o1
		2026-01-03 km 6000 -> oil overdue @o1
		2026-01-04 in_service 2025-12-01 ->
		2026-01-04 show oil -> overdue, 5000 -1000 overdue, 2026-06-01 148 ok
	`},
	{"S22 after a jump the km dimension is first seen again", `
		2026-01-01 plan km ->
		2026-01-02T12:00 km 100 ->
		2026-01-02T13:00 km 55000 ->
		2026-01-02T13:10 km 55001 ->
		2026-01-02T13:20 km 55002 ->
		2026-01-02T13:20 show oil -> ok, 60000 4998 ok assumed
	`},
	{"S22 S36 a jump moves an item that was due to its next point", `
		2026-01-01 plan km ->
		2026-01-02T12:00 km 9800 -> oil soon @o1
		2026-01-03T12:00 km 10100 -> oil due @o1
		2026-01-03T13:00 km 55000 ->
		2026-01-03T13:10 km 55001 ->
		2026-01-03T13:20 km 55002 -> oil cancelled due jump @o1
		2026-01-13T13:20 km 59500 -> oil soon @o1+1
	`},
	{"S25 suspects change no item", `
		2026-01-01 plan km ->
		2026-01-02 km 100 ->
		2026-01-03T12:00 km 9500 ->
		2026-01-03T12:01 km 9500 ->
	`},
	{"S32 straight to the level, one rise", `
		2026-01-01 plan km ->
		2026-01-02 km 100 ->
		2026-02-02 km 10600 -> oil overdue @o1
		2026-02-02 km 10700 ->
	`},
	{"S32 a state does not fall when the level does", `
		2026-01-01 plan days ->
		2026-01-01 in_service 2026-01-01 ->
		2026-02-09 tick -> month overdue @o1
		2026-01-20 tick ->
		2026-01-20 show month -> overdue, 2026-02-01 12 soon
	`},
	{"S34 done and a rise in one step", `
		2026-01-01 plan km ->
		2026-01-02 km 100 ->
		2026-02-02 km 15500 -> oil overdue @o1
		2026-02-03 service oil 5000 2026-01-05 -> oil done overdue @o1; oil overdue @2026-01-05
	`},
	{"S34 ok: no event", `
		2026-01-01 plan km ->
		2026-01-02 km 100 ->
		2026-01-03 service oil 120 ->
		2026-01-03 show oil -> ok, 10120 10020 ok
	`},
	{"S34 assumed fixed points: a record that does not reach them is history", `
		2026-01-01 plan fixed ->
		2026-01-02 km 47500 ->
		2026-01-02 show oil -> ok, 55000 7500 ok assumed
		2026-01-03 service oil 20000 2025-01-01 ->
		2026-01-03 show oil -> ok, 55000 7500 ok assumed
		2026-01-20 km 54500 -> oil soon @o3
		2026-01-21 service oil 54500 -> oil done soon @o3
		2026-01-21 show oil -> ok, 65000 10500 ok
	`},
	{"S34 fixed points: first sight moved one dimension, the smallest n is that of the other", `
		2026-01-01 plan fixed-both ->
		2026-01-01 in_service 2025-06-01 ->
		2026-01-02 km 47500 ->
		2026-01-02 show oil -> ok, 50000 2500 ok assumed, 2026-06-01 150 ok
		2026-01-05 km 49500 -> oil soon @o1
		2026-01-06 service oil 49500 -> oil done soon @o1
		2026-01-06 show oil -> ok, 60000 10500 ok, 2031-06-01 1972 ok
	`},
	{"S35 older than the baseline: no event, no change", `
		2026-01-01 plan km ->
		2026-01-02 km 20000 ->
		2026-01-03 service oil 20000 ->
		2026-01-20 km 29500 -> oil soon @2026-01-03
		2026-01-21 service oil 20000 2025-12-31 ->
		2026-01-21 show oil -> soon, 30000 500 soon
	`},
	{"S35 equal time: the one applied last", `
		2026-01-01 plan km ->
		2026-01-02 km 20000 ->
		2026-01-03 service oil 19000 ->
		2026-01-04 service oil 19500 2026-01-03 ->
		2026-01-04 show oil -> ok, 29500 9500 ok
	`},
	{"S36 spike", `
		2026-01-01 plan km ->
		2026-01-02T12:00 km 8000 ->
		2026-01-02T13:00 km 9900 -> oil soon @o1
		2026-01-02T14:00 km 8001 ->
		2026-01-02T14:10 km 8002 ->
		2026-01-02T14:20 km 8003 -> oil cancelled soon spike @o1
		2026-01-09T14:20 km 9100 -> oil soon @o1+1
	`},
	{"S36 spike to a lower level that is not ok keeps the baseline", `
		2026-01-01 plan km ->
		2026-01-02T12:00 km 8000 ->
		2026-01-02T13:00 km 9200 -> oil soon @o1
		2026-01-02T14:00 km 10100 -> oil due @o1
		2026-01-02T15:00 km 9300 ->
		2026-01-02T15:10 km 9301 ->
		2026-01-02T15:20 km 9302 -> oil cancelled due spike @o1
		2026-01-03T15:20 km 10000 -> oil due @o1+1
	`},
	{"S24 S36 replaced: the service done since moves with the offset", `
		2026-01-01 plan km ->
		2026-01-01T12:00 km 1500 ->
		2026-01-02T12:00 km 1 ->
		2026-01-02T13:00 km 2 ->
		2026-01-02T14:00 service oil 3 ->
		2026-01-02T14:00 show oil -> ok, 10003 8503 ok
		2026-01-03T14:00 km 7 ->
		2026-01-03T14:00 show oil -> ok, 11502 9996 ok
	`},
	{"S36 odometer_reset: k stays and so does everything", `
		2026-01-01 plan km ->
		2026-01-02 km 9500 -> oil soon @o1
		2026-01-03 service brakes 9500 reset 9500 0 ->
		2026-01-04 km 400 ->
		2026-01-04 show oil -> soon, 10000 100 soon
	`},
	{"S36 an item gone from the plan, and back", `
		2026-01-01 plan km ->
		2026-01-02 km 9500 -> oil soon @o1
		2026-01-03 plan hours -> gone cancelled soon plan_changed @o1
		2026-01-04 plan km -> oil soon @o1+1
		2026-01-05 plan - -> gone cancelled soon plan_changed @o1+1
	`},
	{"S36 a plan that gives more time", `
		2026-01-01 plan km ->
		2026-01-02 km 9500 -> oil soon @o1
		2026-01-03 plan km15 -> oil cancelled soon plan_changed @o1
	`},
	{"S37 the baseline of the first rise stays until ok", `
		2026-01-01 plan fixed ->
		2026-01-02 km 4500 -> oil soon @o1
		2026-01-03 plan km15 -> oil cancelled soon plan_changed @o1
		2026-01-04 service oil 4500 ->
		2026-01-12 km 18600 -> oil soon @2026-01-04+1
		2026-01-13 plan fixed -> oil overdue @2026-01-04+1
		2026-01-14 service oil 18600 -> oil done overdue @2026-01-04+1
	`},
	{"S37 done carries the old baseline, the rise that follows the new one", `
		2026-01-01 plan km ->
		2026-01-02 km 9500 -> oil soon @o1
		2026-01-03 service oil 9600 -> oil done soon @o1
		2026-01-13 km 18700 -> oil soon @2026-01-03
		2026-01-14 service oil 18800 -> oil done soon @2026-01-03
	`},
	{"S37 none is emitted twice: a second service of the same time", `
		2026-01-01 plan km ->
		2026-01-02 km 9500 -> oil soon @o1
		2026-01-03 service oil 9600 -> oil done soon @o1
		2026-01-13 km 18700 -> oil soon @2026-01-03
		2026-01-14 service oil 9500 2026-01-03 -> oil done soon @2026-01-03; oil soon @2026-01-03 again
		2026-01-15 service oil 9400 2026-01-03 -> oil done soon @2026-01-03 again; oil soon @2026-01-03 again
	`},
	{"S37 an edit that leads back to a baseline repeats nothing", `
		2026-01-01 plan fixed ->
		2026-01-02 km 4100 -> oil soon @o1
		2026-01-03 service oil 4100 -> oil done soon @o1
		2026-01-20 km 14100 -> oil soon @o2
		2026-01-21 service oil 14500 -> oil done soon @o2
		2026-01-29 km 24100 -> oil soon @o3
		2026-01-30 service oil 24500 -> oil done soon @o3
		2026-01-31 plan fixed-wide ->
		2026-02-22 km 34100 -> oil soon @o2+1
		2026-02-23 service oil 34100 -> oil done soon @o2+1
	`},
	{"S7 cancelled, done, then overdue, due, soon; items in plan order", `
		2026-01-01 plan mixed ->
		2026-01-02 km 100 ->
		2026-02-01 km 9600 -> c overdue @o1; b due @o1; a soon @o1; d soon @o1
		2026-02-02 service d,a 9600 -> a done soon @o1; d done soon @o1
	`},
	{"an operator's value is first seen again", `
		2026-01-01 plan km ->
		2026-01-02 km 100 ->
		2026-01-03 set 155000 ->
		2026-01-03 show oil -> ok, 160000 5000 ok assumed
		2026-01-04 set 9500 -> oil soon @o1
		2026-01-05 set 200 -> oil cancelled soon odometer_set @o1
	`},
}
